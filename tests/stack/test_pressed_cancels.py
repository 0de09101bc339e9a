"""A cancel that is pressed in Prefect just when a process, or the recovery service, sets the state of its run."""

from __future__ import annotations

import pytest
from prefect.exceptions import Abort

from bq_copilot.prefect_api import PrefectApi, headers_of
from deployments.local.login import login_of
from deployments.prefect_settings import at_server
from tasks import waiting
from tests.stack.runs import Runs


@pytest.fixture
def api(runs: Runs, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> PrefectApi:
    """The stack's API, and a process that finds its login."""
    monkeypatch.setenv("BQ_COPILOT_HOME", environ["BQ_COPILOT_HOME"])
    return PrefectApi(runs.api_url, headers_of({"PREFECT_API_AUTH_STRING": login_of(runs.home)}))


def flow_run(runs: Runs, *states: str) -> str:
    """Make a flow run in a queue that stands still, and set it to these types of state, one after the other."""
    deployment = runs.call("GET", "/deployments/name/nap/probe")
    body = {"state": {"type": "PENDING"}, "work_queue_name": "standing"}
    made = runs.call("POST", f"/deployments/{deployment['id']}/create_flow_run", body)["id"]
    runs.call("PATCH", f"/work_pools/{deployment['work_pool_name']}/queues/standing", {"is_paused": True})
    for state in states:
        runs.call("POST", f"/flow_runs/{made}/set_state", {"state": {"type": state}, "force": True})
    return made


@pytest.mark.parametrize("pressed", ["CANCELLING", "CANCELLED"])
async def test_F10_a_process_that_is_about_to_wait_leaves_a_pressed_cancel_alone(
    runs: Runs, api: PrefectApi, monkeypatch: pytest.MonkeyPatch, pressed: str
) -> None:
    """It ends instead of calling itself running; a run that is only paused is called running."""
    for states, left in ((["RUNNING", pressed], pressed), (["RUNNING", "PAUSED"], "RUNNING")):
        made = flow_run(runs, *states)
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", made)
        with at_server(runs.api_url):
            if left == pressed:
                with pytest.raises(Abort, match="being cancelled"):
                    await waiting._run_again()  # pyright: ignore[reportPrivateUsage]
            else:
                await waiting._run_again()  # pyright: ignore[reportPrivateUsage]
        assert runs.read(made)["state"]["type"] == left


def test_F10_a_restart_that_wrote_over_a_cancel_is_noticed(runs: Runs, api: PrefectApi) -> None:
    """By the history of its states; a restart that nothing came before lost nothing."""
    pressed, calm = flow_run(runs, "RUNNING", "CANCELLING"), flow_run(runs, "RUNNING")
    for made in (pressed, calm):
        assert api.restart(made, "its process is gone") == ""
    assert api.lost_a_cancel(pressed)
    assert not api.lost_a_cancel(calm)
