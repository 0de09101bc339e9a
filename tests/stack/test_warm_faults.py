"""The warm runner under faults: a warm run behaves as the plain worker's run does."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from bq_copilot.catalog import Catalog
from bq_copilot.gate.engines import open_gate
from bq_copilot.policy import Policy
from deployments.local.home import LAUNCHER, Home
from deployments.local.liveness import is_alive
from deployments.local.records import StackRecord
from tests.stack.conftest import PROJECT
from tests.stack.runs import Runs
from tests.waiting import until


def test_a_run_starts_from_the_warm_runner_with_its_own_folder_and_environment(runs: Runs) -> None:
    """The flow runs in a fork of the warm runner, in the project's folder, with the worker's environment."""
    until(lambda: is_warm(runs), 60)
    run = runs.start("nap")
    assert runs.ended(run)["name"] == "Completed"
    seen = runs.begun(run)
    assert (seen["variable"], seen["beats"]) == ("seen", None)
    assert seen["cwd"].endswith("tests/stack/project")


def test_job_variables_of_one_run_reach_only_that_run(runs: Runs) -> None:
    """The environment comes from the launcher, not from the warm runner; so do Prefect's settings.

    A run sends Prefect heartbeats only where somebody has asked for them.
    """
    run = runs.start("nap", {"env": {"PROBE_VARIABLE": "mine", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "45"}})
    runs.ended(run)
    assert (runs.begun(run)["variable"], runs.begun(run)["beats"]) == ("mine", 45)


def test_logs_of_a_warm_run_reach_the_server(runs: Runs) -> None:
    """Log lines are flushed before the forked process ends."""
    run = runs.start("nap")
    runs.ended(run)
    query = {"logs": {"flow_run_id": {"any_": [run]}}}
    assert until(lambda: "hello from the nap" in [x["message"] for x in runs.call("POST", "/logs/filter", query)], 5)


def test_killed_run_is_reported_as_crashed_with_its_signal(runs: Runs) -> None:
    """kill -9 of the flow's process gives the same Crashed state as under the plain worker."""
    run = runs.start("nap", seconds=60)
    os.kill(runs.begun(run)["pid"], signal.SIGKILL)
    state = runs.ended(run)
    assert state["type"] == "CRASHED"
    assert "-9" in state["message"]


def test_the_gates_child_is_a_fork_of_the_warm_runner(
    running: StackRecord, home: Home, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rules as a new process would, under its own memory limit, is measured itself, and ends with its launcher."""
    until(lambda: is_warm(runs), 60)
    monkeypatch.setenv("BQ_COPILOT_WARM_SOCKET", str(home.warm_socket))
    monkeypatch.setenv("BQ_COPILOT_LAUNCHER", str(LAUNCHER))
    with open_gate(Catalog(tables=(), families=()), Policy(allowed_datasets=("p.d",))) as gate:
        assert not gate.rule("SELECT 1 AS one").denied
        pid = gate._pid  # pyright: ignore[reportPrivateUsage]
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert int(status["PPid"]) == running.pids["warm"]
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max data size +\d+ +\d+ +bytes", limits)
        gate._seconds = 0.0  # pyright: ignore[reportPrivateUsage]
        assert "too long" in gate.rule("SELECT 1 AS one").findings[0].message
        until(lambda: not is_alive(pid), 5)


def test_run_dies_with_its_launcher(runs: Runs) -> None:
    """kill -9 of the worker's child kills the flow's process at once, and the run is Crashed."""
    run = runs.start("nap", seconds=60)
    pid = runs.begun(run)["pid"]
    os.kill(runs.launcher(run), signal.SIGKILL)
    until(lambda: not is_alive(pid), 1)
    assert runs.ended(run)["type"] == "CRASHED"


def test_run_survives_the_warm_runner(runs: Runs, running: StackRecord) -> None:
    """kill -9 of the warm runner does not touch the runs that it has started."""
    run = runs.start("nap", seconds=3)
    runs.begun(run)
    os.kill(running.pids["warm"], signal.SIGKILL)
    assert runs.ended(run)["name"] == "Completed"
    assert [line["at"] for line in runs.trace(run)] == ["start", "end"]


def test_run_dies_with_its_launcher_even_without_the_warm_runner(runs: Runs, running: StackRecord) -> None:
    """The run watches its launcher itself, should the warm runner have died before."""
    run = runs.start("nap", seconds=60)
    pid = runs.begun(run)["pid"]
    os.kill(running.pids["warm"], signal.SIGKILL)
    os.kill(runs.launcher(run), signal.SIGKILL)
    until(lambda: not is_alive(pid), 2)
    assert runs.ended(run)["type"] == "CRASHED"


def test_run_starts_plainly_without_a_warm_runner(runs: Runs, home: Home) -> None:
    """No socket, no warm start: the launcher becomes the plain engine."""
    aside = home.warm_socket.with_suffix(".aside")
    home.warm_socket.rename(aside)
    try:
        run = runs.start("nap")
        assert runs.ended(run)["name"] == "Completed"
    finally:
        aside.rename(home.warm_socket)
    assert runs.begun(run)["warm"] is False


def test_cancelled_run_stops_and_its_hook_runs(runs: Runs, home: Home) -> None:
    """Cancelling from the API reaches the forked process through the launcher, hooks included."""
    run = runs.start("nap", seconds=60)
    pid = runs.begun(run)["pid"]
    runs.set_state(run, "CANCELLING")
    assert runs.ended(run)["type"] == "CANCELLED"
    until(lambda: not is_alive(pid), 5)
    until((home.root / "traces" / f"{run}.cancelled").exists, 10)


def test_suspended_run_holds_no_process_and_goes_on_with_the_answer(runs: Runs) -> None:
    """Suspend ends the process; resume starts another one, which gets the answer."""
    run = runs.start("question")
    until(lambda: runs.state(run) == "Suspended", 20)
    pid = runs.begun(run)["pid"]
    until(lambda: not is_alive(pid), 10)
    runs.call("POST", f"/flow_runs/{run}/resume", {"run_input": {"word": "yes"}})
    assert runs.ended(run)["name"] == "Completed"
    last = runs.trace(run)[-1]
    assert (last["at"], last["word"]) == ("answered", "yes")
    assert last["pid"] != pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_the_launcher_reaches_the_run(runs: Runs, number: signal.Signals) -> None:
    """What is sent to the worker's child ends the flow's process."""
    run = runs.start("nap", seconds=60)
    pid = runs.begun(run)["pid"]
    os.kill(runs.launcher(run), number)
    until(lambda: not is_alive(pid), 5)
    assert runs.ended(run)["type"] in {"CRASHED", "FAILED"}


def test_changed_code_is_never_run_from_memory(runs: Runs, running: StackRecord) -> None:
    """The run after an edit sees the edit, whoever starts it; a later one is warm again."""
    source = PROJECT / "flows" / "probe.py"
    before = source.read_text()
    source.write_text(before.replace('VERSION = "one"', 'VERSION = "two"'))
    try:
        run = runs.start("nap")
        runs.ended(run, 60)
        assert runs.begun(run)["version"] == "two"
    finally:
        source.write_text(before)
    until(lambda: is_warm(runs), 60)


def is_warm(runs: Runs) -> bool:
    """Whether a run that starts now comes from the warm runner, with the code that is on disk."""
    run = runs.start("nap")
    runs.ended(run, 60)
    return runs.begun(run)["warm"] and runs.begun(run)["version"] == "one"
