"""The launcher against warm runners that misbehave: a run is begun once, or plainly, never twice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.local.home import BEGIN, LAUNCHER
from deployments.warm import launch
from deployments.warm.wire import Request, message, read_request
from tests.waiting import until

PLAIN_WORD = "this is the plain module"


@dataclass
class FakeRunner:
    """A warm runner whose every step is decided by the test."""

    listener: socket.socket
    folder: Path

    def launch(self) -> subprocess.Popen[str]:
        """A launcher whose plain way is a module that prints one line."""
        (self.folder / "plain_module.py").write_text(f"print({PLAIN_WORD!r})\n")
        environ = {**os.environ, "BQ_COPILOT_WARM_SOCKET": str(self.folder / "s"), "MARK": "here"}
        command = [sys.executable, "-I", "-S", str(LAUNCHER), "plain_module"]
        return subprocess.Popen(command, env=environ, cwd=self.folder, stdout=subprocess.PIPE, text=True)

    def accept(self) -> tuple[socket.socket, Request]:
        link, _ = self.listener.accept()
        request = read_request(link)
        request.close()
        return link, request


@pytest.fixture
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRunner]:
    """Listens on a short path."""
    folder = tmp_path_factory.mktemp("w")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()
        listener.settimeout(10)
        yield FakeRunner(listener, folder)


def begin(link: socket.socket, pid: int) -> None:
    """Say that the process is ready, and wait for the go."""
    link.sendall(message(launch.READY, pid))
    assert link.recv(1) == launch.GO


def test_request_carries_module_folder_and_environment(runner: FakeRunner) -> None:
    """What the run needs from its launcher arrives whole."""
    process = runner.launch()
    link, request = runner.accept()
    assert (request.module, request.cwd) == ("plain_module", str(runner.folder))
    assert request.environ["MARK"] == "here"
    link.sendall(message(launch.REFUSED))
    process.wait(10)


def test_refused_request_is_started_plainly(runner: FakeRunner) -> None:
    """A runner with other code in memory says no, and the module runs all the same."""
    process = runner.launch()
    link, _ = runner.accept()
    link.sendall(message(launch.REFUSED))
    assert process.communicate(timeout=20)[0].strip() == PLAIN_WORD


def test_runner_that_dies_before_the_go_is_replaced_by_the_plain_way(runner: FakeRunner) -> None:
    """The link ends before anything has begun."""
    process = runner.launch()
    link, _ = runner.accept()
    link.close()
    assert process.communicate(timeout=20)[0].strip() == PLAIN_WORD


def test_silent_runner_is_given_up_after_two_seconds(runner: FakeRunner) -> None:
    """A runner that accepts and hangs does not hang the run; it would see the end of the link, not a go."""
    process = runner.launch()
    link, _ = runner.accept()
    assert link.recv(1) == b""
    assert process.communicate(timeout=20)[0].strip() == PLAIN_WORD


def test_run_that_has_begun_is_never_started_plainly(runner: FakeRunner) -> None:
    """After the go, an end without a word is an end by SIGKILL: recovery decides, not the launcher."""
    process = runner.launch()
    link, _ = runner.accept()
    begin(link, os.getpid())
    link.close()
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("status", [0, 3 << 8, signal.SIGKILL, signal.SIGTERM])
def test_launcher_ends_as_the_run_ended(runner: FakeRunner, status: int) -> None:
    """Exit codes and signals are passed on, so that Prefect reports what happened."""
    process = runner.launch()
    link, _ = runner.accept()
    begin(link, os.getpid())
    link.sendall(message(launch.ENDED, status))
    assert process.wait(10) == os.waitstatus_to_exitcode(status)


def test_own_word_of_the_run_counts_when_the_runner_is_gone(runner: FakeRunner) -> None:
    """A run whose warm runner has died tells its exit code itself."""
    process = runner.launch()
    link, _ = runner.accept()
    begin(link, os.getpid())
    link.sendall(message(launch.REPORTED, 7))
    link.close()
    assert process.wait(10) == 7


def test_signal_before_the_go_is_kept_for_the_run(runner: FakeRunner) -> None:
    """SIGTERM during the handshake is not lost."""
    run = subprocess.Popen(["sleep", "60"])
    process = runner.launch()
    link, _ = runner.accept()
    process.send_signal(signal.SIGTERM)
    pending = Path(f"/proc/{process.pid}/status")
    until(lambda: "SigPnd:\t0000000000000000" in pending.read_text(), 5)
    begin(link, run.pid)
    assert run.wait(10) == -signal.SIGTERM
    link.close()
    process.wait(10)


def test_a_module_begins_as_it_would_with_minus_m(tmp_path: Path) -> None:
    """Same name, arguments and place to import from; only the collector has more patience."""
    (tmp_path / "beside.py").write_text("")
    said = "__name__, os.path.basename(sys.argv[0]), *sys.argv[1:], gc.get_threshold()[0]"
    (tmp_path / "told.py").write_text(f"import beside, gc, os, sys\nprint({said})")
    asked = {"cwd": tmp_path, "text": True, "stderr": subprocess.STDOUT}
    plain = subprocess.check_output([sys.executable, "-m", "told", "one", "-m"], **asked)
    begun = subprocess.check_output([*BEGIN, "told", "one", "-m"], **asked)
    assert plain == "__main__ told.py one -m 700\n"
    assert begun == "__main__ told.py one -m 50000\n"
