"""Job templates and image: made from Prefect's own, rendered by its own workers, with published fields only."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.schema_tools.validation import validate

from bq_copilot.version import __version__
from deployments.local.home import PROJECT_ROOT
from deployments.pools import make
from tests.contract.discovery import Discovery

KINDS = sorted(make.DEFAULTS)
FLOW_RUN = FlowRun(id=uuid4(), flow_id=uuid4(), name="calm-otter", state=None)
DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text()


def kept(kind: str) -> dict[str, Any]:
    """The template as it is kept."""
    return json.loads((make.HERE / f"{kind}.json").read_text())


def rendered(configuration: Any, kind: str, **values: Any) -> Any:
    """What the worker of this type makes of the template for one flow run."""
    nobody = PrefectClient("http://127.0.0.1:1/api")  # asked for blocks only, and there are none in it
    made = asyncio.run(configuration.from_template_and_values(kept(kind), values, client=nobody))
    made.prepare_for_flow_run(FLOW_RUN)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_kept_template_is_prefect_s_own_with_our_defaults(kind: str) -> None:
    """A Prefect that changes its template shows here; `python -m deployments.pools.make` follows it."""
    base = make.base_templates()[kind]
    assert (make.HERE / f"{kind}.json").read_text() == make.text(make.template(kind, base))


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_are_legal_values_of_prefect_s_variables(kind: str) -> None:
    """Prefect's server checks variables by this schema when a run is sent."""
    variables = kept(kind)["variables"]
    validate(dict(make.DEFAULTS[kind]), variables, raise_on_error=True, preprocess=True)
    with pytest.raises(Exception, match=r"is not of type|is not valid"):
        validate({"env": "no mapping"}, variables, raise_on_error=True, preprocess=True)


def test_a_kubernetes_job_has_only_fields_of_kubernetes() -> None:
    """Read into the client's own model of a Job and written again, nothing of ours is lost."""
    from kubernetes_asyncio.client import ApiClient
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    job = rendered(KubernetesWorkerJobConfiguration, "kubernetes", env={"MORE": "1"}).job_manifest
    pod = job["spec"]["template"]["spec"]
    for name in ("completions", "parallelism"):
        pod.pop(name, None)  # Prefect's own template has them one level too deep
    client = ApiClient.__new__(ApiClient)
    client.configuration = type("C", (), {"client_side_validation": False})()
    model = ApiClient._ApiClient__deserialize(client, job, "V1Job")  # type: ignore[attr-defined]
    again = ApiClient.sanitize_for_serialization(client, model)
    assert again == job
    (container,) = pod["containers"]
    env = {e["name"]: e["value"] for e in container["env"]}
    assert {"MORE": "1", **make.STORAGE}.items() <= env.items()
    assert container["args"][-1].endswith("prefect.engine") or "prefect" in " ".join(container["args"])
    assert (job["spec"]["backoffLimit"], pod["securityContext"]["runAsNonRoot"]) == (0, True)


def test_a_docker_container_has_only_settings_of_docker() -> None:
    """The client's own check of its arguments takes every one of ours."""
    from docker.models.containers import _create_container_args
    from prefect_docker.worker import DockerWorkerJobConfiguration

    made = rendered(DockerWorkerJobConfiguration, "docker")
    assert made.image == make.IMAGE
    assert made.volumes == ["bq-copilot-results:/results"]
    arguments = {"image": made.image, "mem_limit": made.mem_limit, "version": "1.43", **made.container_create_kwargs}
    created = _create_container_args(dict(arguments))
    assert created["host_config"]["Init"] is True
    with pytest.raises(TypeError):
        _create_container_args({**arguments, "no_such_setting": 1})


def test_a_cloud_run_job_has_only_published_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body against Google's discovery document of Cloud Run."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from prefect_gcp.workers.cloud_run_v2 import CloudRunWorkerJobV2Configuration

    monkeypatch.setattr(google.auth, "default", lambda *_, **__: (AnonymousCredentials(), "p"))
    made = rendered(CloudRunWorkerJobV2Configuration, "cloud-run-v2", credentials={"project": "p"})
    problems = Discovery.of("run.v2").value_problems("job", made.job_body, {"$ref": "GoogleCloudRunV2Job"})
    assert list(problems) == []
    task = made.job_body["template"]["template"]
    assert (task["maxRetries"], task["serviceAccount"]) == (0, "bq-copilot-run@PROJECT.iam.gserviceaccount.com")
    assert make.STORAGE.items() <= {e["name"]: e.get("value") for e in task["containers"][0]["env"]}.items()


def test_the_templates_name_the_image_of_this_version() -> None:
    """A run of another version's image would be taken for one of ours."""
    assert f"bq-copilot:{__version__}" == make.IMAGE


def test_what_the_image_copies_is_there_and_what_it_starts_can_be_imported() -> None:
    """No registry and no daemon is needed to see that the file fits the project."""
    copied = [shlex.split(line)[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--)", line)]
    sources = [source for line in copied for source in line]
    assert [s for s in sources if not (PROJECT_ROOT / s).exists()] == []
    let_in = {x[1:] for x in (PROJECT_ROOT / ".dockerignore").read_text().splitlines() if x.startswith("!")}
    assert set(sources) <= let_in
    packages = {p.parent.name for p in PROJECT_ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= set(sources)
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert find_spec(json.loads(command)[2])


def test_the_image_is_pinned_and_runs_as_nobody_special() -> None:
    """A fixed base, uv of the version that set-up uses, locked packages, a user without rights."""
    bases = re.findall(r"^(?:FROM|COPY --from=)(?:\s*)(\S+:\S+)", DOCKERFILE, re.MULTILINE)
    assert bases and not any(b.endswith(":latest") for b in bases)
    uv = re.search(r"^UV_VERSION := (\S+)", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE)
    assert uv and f"uv:{uv[1]} " in DOCKERFILE
    assert DOCKERFILE.count("uv sync --frozen") == 2
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert kept("kubernetes")["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["securityContext"][
        "runAsUser"
    ] == int(DOCKERFILE.partition("--uid ")[2].split()[0])


def test_the_worker_host_refuses_to_keep_results_for_itself() -> None:
    """Another host would not find the result of a step that was done and not recorded."""
    from deployments import host

    assert "PREFECT_API_URL" in host.missing({})
    assert "this host alone" in host.missing({"PREFECT_API_URL": "http://x/api"})
    for name in host.SHARED:
        assert host.missing({"PREFECT_API_URL": "http://x/api", name: "y"}) == ""


def test_a_host_s_processes_know_what_the_operator_set() -> None:
    """The operator's variables go before our defaults; the host's own place is its own."""
    from deployments import host
    from deployments.local.home import Home

    environ = {"PREFECT_API_URL": "https://x/api", "PREFECT_WORKER_QUERY_SECONDS": "3", "BQ_COPILOT_HOME": "/elsewhere"}
    plan = host.host_plan(Home(Path("/h")), environ)
    assert [p.name for p in plan] == ["warm", "worker", "recovery"]
    assert {p.environ["PREFECT_WORKER_QUERY_SECONDS"] for p in plan} == {"3"}
    assert {p.environ["BQ_COPILOT_HOME"] for p in plan} == {"/h"}
    assert "PREFECT_API_SSL_CERT_FILE" not in plan[0].environ, "an address with TLS needs the usual roots"


def test_provisioning_leaves_a_pool_of_containers_to_its_operator() -> None:
    """Our process template in a Kubernetes pool would be a job that no worker can start."""
    from types import SimpleNamespace

    from deployments.provision import _pool
    from deployments.specification import PoolSpec

    class Client:
        async def read_work_pool(self, name: str) -> Any:
            return SimpleNamespace(name=name, type="kubernetes", base_job_template=kept("kubernetes"))

    assert asyncio.run(_pool(Client(), PoolSpec(job_template={"other": 1}))) == []  # type: ignore[arg-type]
