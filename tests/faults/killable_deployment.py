"""A second deployment of the project's flow, whose process can be killed at a point."""

from __future__ import annotations

from deployments.local.home import PROJECT_ROOT
from tests.live import Live

COPIED = ("flow_id", "work_pool_name", "work_queue_name", "parameter_openapi_schema", "pull_steps", "path")


def deploy_killable(live: Live, full_name: str) -> str:
    """Deploy `killable_analysis.py` under a name like `analyze/killable`; returns the name."""
    like = live.prefect("GET", "/deployments/name/analyze/analyze")
    entrypoint = str(PROJECT_ROOT / "tests" / "faults" / "killable_analysis.py") + ":analyze"
    body = {key: like[key] for key in COPIED} | {"name": full_name.partition("/")[2], "entrypoint": entrypoint}
    live.prefect("POST", "/deployments/", body)
    return full_name
