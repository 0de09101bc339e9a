"""`up`, `down` and the supervisor, with real processes."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local import ports, stack
from deployments.local.doctor import doctor
from deployments.local.home import Home
from deployments.local.liveness import is_alive, members
from deployments.local.records import StackRecord
from deployments.verdicts import Severity, is_well
from tests.stack.conftest import environ_for
from tests.stack.runs import Runs
from tests.waiting import until


@pytest.fixture
def small() -> Iterator[tuple[Home, dict[str, str]]]:
    """A stack of one process, which starts in a second."""
    with tempfile.TemporaryDirectory(prefix="bqc-") as folder:
        environ = environ_for(Path(folder) / "home", "model")
        home = Home.of(environ)
        yield home, environ
        stack.down(home, hard=True)


def listening_addresses(pid: int) -> set[str]:
    """Local addresses on which the process accepts TCP connections."""
    inodes = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].split(":")[0])
    return found


def test_two_ups_at_once_are_one_stack(both_ups: list[StackRecord]) -> None:
    """Both report the same supervisor and the same server."""
    first, second = both_ups
    assert first.pids["supervisor"] == second.pids["supervisor"]
    assert first.pids["server"] == second.pids["server"]


def test_up_again_changes_nothing(running: StackRecord, home: Home, environ: dict[str, str]) -> None:
    """A running stack is found, not started again."""
    assert stack.up(home, environ).pids == running.pids


def test_nothing_listens_beyond_the_loopback_address(running: StackRecord, home: Home) -> None:
    """Every TCP socket of the stack is bound to 127.0.0.1."""
    addresses = {address for pid in members(home.stack_id) for address in listening_addresses(pid)}
    assert addresses == {"0100007F"}


@pytest.mark.parametrize("name", ["worker", "warm", "server"])
def test_killed_process_is_back_by_itself(running: StackRecord, home: Home, name: str) -> None:
    """kill -9 of one process: another one takes its place and answers."""
    os.kill(running.pids[name], signal.SIGKILL)

    def healed() -> bool:
        now = stack.status(home)
        return now.healthy and now.record is not None and now.record.pids.get(name) != running.pids[name]

    assert until(healed, 40)


def test_a_stack_that_was_healthy_is_up_though_a_process_dies_the_moment_after(
    running: StackRecord, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that found it healthy counts; the next one is the supervisor's business."""
    looks: list[StackRecord] = []

    def read(_home: Home) -> StackRecord:
        looks.append(running.model_copy(update={"healthy": len(looks) <= 1}))
        return looks[-1]

    monkeypatch.setattr(stack, "read_record", read)
    assert stack._wait_until_healthy(home, lambda _line: None).healthy  # pyright: ignore[reportPrivateUsage]
    assert len(looks) == 2
    assert not stack.read_record(home).healthy


def test_the_server_tells_whoever_listens_where_the_worker_does(runs: Runs, home: Home) -> None:
    """Of a flow run that was put in a queue, by a plain request to its API."""
    aside = home.worker_socket.with_suffix(".aside")
    home.worker_socket.rename(aside)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.bind(str(home.worker_socket))
            line.settimeout(20)
            run = runs.start("nap")
            assert line.recv(10) == b"look"
    finally:
        aside.replace(home.worker_socket)
    assert runs.ended(run)["name"] == "Completed"


def test_run_outlives_its_worker(runs: Runs, running: StackRecord) -> None:
    """kill -9 of the worker does not touch the run, and the next worker does not start it a second time."""
    run = runs.start("nap", seconds=3)
    runs.begun(run)
    os.kill(running.pids["worker"], signal.SIGKILL)
    assert runs.ended(run)["name"] == "Completed"
    assert [line["at"] for line in runs.trace(run)] == ["start", "end"]


def test_stack_without_supervisor_dies_and_up_starts_it_again(small: tuple[Home, dict[str, str]]) -> None:
    """kill -9 of the supervisor takes its children along; `doctor` says so, and `up` mends it."""
    home, environ = small
    first = stack.up(home, environ)
    os.kill(first.pids["supervisor"], signal.SIGKILL)
    until(lambda: not members(home.stack_id), 5)
    verdicts = {verdict.check: verdict for verdict in doctor(home, environ)}
    assert verdicts["supervisor"].severity is Severity.BAD
    assert not is_well(list(verdicts.values()))
    second = stack.up(home, environ)
    assert second.pids["supervisor"] != first.pids["supervisor"]
    assert second.ports == first.ports


def test_up_sweeps_what_a_dead_supervisor_left(small: tuple[Home, dict[str, str]]) -> None:
    """A process with this stack's mark and no supervisor does not survive the next `up`."""
    home, environ = small
    home.create()
    child = os.posix_spawnp("sleep", ["sleep", "600"], {**environ, "BQ_COPILOT_STACK": home.stack_id})
    stack.up(home, environ)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_two_stacks_live_side_by_side(small: tuple[Home, dict[str, str]]) -> None:
    """Other folder, other ports, other processes; `down` of one leaves the other alone."""
    home, environ = small
    other_environ = environ_for(home.root / "other", "model")
    other = Home.of(other_environ)
    one, two = stack.up(home, environ), stack.up(other, other_environ)
    assert not set(one.ports.values()) & set(two.ports.values())
    stack.down(other)
    assert not members(other.stack_id)
    assert stack.status(home).healthy


@pytest.mark.parametrize("hard", [False, True])
def test_down_leaves_nothing_behind(small: tuple[Home, dict[str, str]], hard: bool) -> None:
    """After `down` no process of the stack lives, and no record says that one does."""
    home, environ = small
    record = stack.up(home, environ)
    stack.down(home, hard=hard)
    assert not [pid for pid in record.pids.values() if is_alive(pid)]
    assert not stack.status(home).running
    assert stack.status(home).record is None


def test_ports_are_kept_and_only_a_taken_one_is_replaced(tmp_path: Path) -> None:
    """The second choice is the first one, but for the port that somebody else listens on."""
    home = Home(tmp_path)
    first = ports.choose_ports(home)
    with socket.create_server(("127.0.0.1", first["model"])):
        second = ports.choose_ports(home)
    assert second["server"] == first["server"]
    assert second["model"] != first["model"]


def test_state_survives_down_and_up(small: tuple[Home, dict[str, str]]) -> None:
    """The same addresses, so that blocks and bookmarks stay right."""
    home, environ = small
    first = stack.up(home, environ)
    stack.down(home)
    assert stack.up(home, environ).model_url == first.model_url


def test_environment_of_another_installation_does_not_leak_in(small: tuple[Home, dict[str, str]]) -> None:
    """PREFECT_API_URL of the caller's shell is not the stack's."""
    home, environ = small
    record = stack.up(home, {**environ, "PREFECT_API_URL": "http://elsewhere/api"})
    inside = Path(f"/proc/{record.pids['model']}/environ").read_bytes()
    assert b"elsewhere" not in inside
    assert f"PREFECT_API_URL={record.prefect_api_url}".encode() in inside
