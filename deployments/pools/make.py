"""`python -m deployments.pools.make`: write the job templates beside this file.

Decides: what our runs need beyond Prefect's own base job template of each worker type: defaults of its variables, and
parts of the job that no variable reaches. Never does: rename or drop a variable of Prefect's, so what its documentation
says about a pool holds for ours. Why this shape: the files are made from Prefect's own templates, and a test makes them
again; a Prefect upgrade that changes one shows there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
IMAGE = "bq-copilot:0.1.0"
STORAGE = {"PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": "gcs-bucket/bq-copilot-results"}
ENVIRONMENT = {
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # a pickle does not survive a change of code
    "PREFECT_CLIENT_MAX_RETRIES": "3",
    "DO_NOT_TRACK": "1",
}

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "docker": {
        "image": IMAGE,
        "image_pull_policy": "IfNotPresent",
        "env": {**ENVIRONMENT, "PREFECT_RESULTS_LOCAL_STORAGE_PATH": "/results"},
        "volumes": ["bq-copilot-results:/results"],
        "auto_remove": True,
        "mem_limit": "1g",
        "stream_output": False,
        "container_create_kwargs": {"init": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]},
    },
    "kubernetes": {
        "image": IMAGE,
        "image_pull_policy": "IfNotPresent",
        "env": {**ENVIRONMENT, **STORAGE},
        "namespace": "bq-copilot",
        "service_account_name": "bq-copilot-run",
        "backoff_limit": 0,  # a run that died is put back in its queue by the recovery service, by nobody else
        "finished_job_ttl": 3600,
        "stream_output": False,
        "cpu_request": "250m",
        "cpu_limit": "1",
        "memory_request": "400Mi",
        "memory_limit": "1Gi",
    },
    "cloud-run-v2": {
        "image": f"europe-docker.pkg.dev/PROJECT/bq-copilot/{IMAGE}",
        "env": {**ENVIRONMENT, **STORAGE},
        "region": "europe-west1",
        "service_account_name": "bq-copilot-run@PROJECT.iam.gserviceaccount.com",
        "max_retries": 0,
        "cpu": "1000m",
        "memory": "1Gi",
        "timeout": 3600,
        "keep_job": False,
    },
}

_POD = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "scratch", "emptyDir": {}}],
}
_CONTAINER = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "volumeMounts": [{"name": "scratch", "mountPath": "/home/copilot"}, {"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108
}


def base_templates() -> dict[str, dict[str, Any]]:
    """Prefect's own base job template of each worker type. Raises ImportError for a collection that is missing."""
    from prefect_docker.worker import DockerWorker  # noqa: PLC0415 - only whoever makes the files needs them
    from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerV2  # noqa: PLC0415
    from prefect_kubernetes.worker import KubernetesWorker  # noqa: PLC0415

    workers = (DockerWorker, KubernetesWorker, CloudRunWorkerV2)
    return {worker.type: worker.get_default_base_job_template() for worker in workers}


def template(kind: str, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return our job template: Prefect's, with our defaults, and for Kubernetes with what hardens the pod."""
    made = deepcopy(dict(base))
    variables = made["variables"]["properties"]
    for name, value in DEFAULTS[kind].items():
        variables[name]["default"] = value
    if kind == "kubernetes":
        pod = made["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
        pod.update(deepcopy(_POD))
        pod["containers"][0].update(deepcopy(_CONTAINER))
    return made


def text(value: Mapping[str, Any]) -> str:
    """Return a template as it stands in its file."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them."""
    for kind, base in base_templates().items():
        (HERE / f"{kind}.json").write_text(text(template(kind, base)), encoding="utf-8")
        print(HERE / f"{kind}.json")


if __name__ == "__main__":
    main()
