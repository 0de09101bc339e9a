"""`launch.py [module]`: have a module started by the warm runner, or start it the plain way (`python -m module`).

Without a word it is the command of the work pool, and the module is Prefect's engine: one flow run. The local stack
starts its worker and its recovery in the same way.

Decides: warm or plain. Never does: run flow code. Prefect's process worker starts this file as its child and keeps
everything that it does to a child: the pid in the flow run, SIGTERM and SIGKILL, the exit code, hooks. This process
stands for the run: signals are handed on, it ends as the run ends, and when it is killed the run is killed.

Why this shape: it is started once per run and must cost next to nothing (10 ms), so it runs with `python -I -S` and
imports only built-in modules; `socket` and `signal` would double its time. Until the go byte is sent the run has not
begun, so whatever goes wrong before that byte ends in the plain way and never in two processes.
"""

import _signal as signals  # pyright: ignore[reportMissingImports] - built in, without type stubs
import os
import sys
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket

MAGIC = b"BQW1"
REFUSED, READY, GO, REPORTED, ENDED = b"N", b"P", b"G", b"X", b"S"
MESSAGE_BYTES = 5
STREAMS = (0, 1, 2)
HANDSHAKE_SECONDS = 2.0
FORWARDED = (signals.SIGTERM, signals.SIGINT, signals.SIGHUP, signals.SIGUSR1)
FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - see below
MODULE = sys.argv[1] if len(sys.argv) > 1 else "prefect.engine"
PLAIN = [sys.executable, FOLDER + "/begin.py", MODULE]

pending: list[int] = []
run_pidfd: list[int] = []


def main() -> None:
    """Does not return: ends as the run ended, or becomes the plain process."""
    if len(sys.argv) == 1:
        _redirect_output()
    for number in FORWARDED:
        signals.signal(number, _forward)
    link = _begin_warm(os.environ.get("BQ_COPILOT_WARM_SOCKET"))
    if link is None:
        _become_plain()
    else:
        _end_like(_wait_for_end(link))


def _redirect_output() -> None:
    """Output goes to a file, when one is named: a run must not die with the pipe of its worker."""
    log = os.environ.get("BQ_COPILOT_RUN_LOG")
    if log:
        try:
            fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError:
            return
        os.dup2(fd, 1)
        os.dup2(fd, 2)


def _begin_warm(path: "str | None") -> "socket | None":
    """The link to a run that has begun; None when there is no warm runner that can do it."""
    if not path:
        return None
    link = socket(AF_UNIX, SOCK_STREAM)
    link.settimeout(HANDSHAKE_SECONDS)
    try:
        link.connect(path)
        _send_request(link)
        kind, pid = _receive(link)
        if kind != READY:
            return None
        run_pidfd.append(os.pidfd_open(pid))
        link.settimeout(None)
        link.sendall(GO)
    except (OSError, EOFError):
        link.close()
        return None
    for number in pending:
        _forward(number, None)
    return link


def _send_request(link: socket) -> None:
    fields = [PLAIN[0], FOLDER, MODULE, os.getcwd()]  # noqa: PTH109 - pathlib costs more than all the rest
    fields += [f"{name}={value}" for name, value in os.environ.items()]
    body = b"\0".join(os.fsencode(text) for text in fields)
    header = MAGIC + len(body).to_bytes(4, "big")
    fds = b"".join(number.to_bytes(4, sys.byteorder) for number in STREAMS)
    link.sendmsg([header], [(SOL_SOCKET, SCM_RIGHTS, fds)])
    link.sendall(body)


def _receive(link: socket) -> "tuple[bytes, int]":
    message = b""
    while len(message) < MESSAGE_BYTES:
        part = link.recv(MESSAGE_BYTES - len(message))
        if not part:
            raise EOFError
        message += part
    return message[:1], int.from_bytes(message[1:], "big", signed=True)


def _wait_for_end(link: socket) -> int:
    """The run's wait status: from the warm runner, else the run's own word, else as if killed."""
    status = signals.SIGKILL
    try:
        while True:
            kind, value = _receive(link)
            if kind == ENDED:
                return value
            if kind == REPORTED:
                status = value << 8
    except (OSError, EOFError):
        return status


def _end_like(status: int) -> None:
    number = os.WTERMSIG(status)
    if number:
        if number != signals.SIGKILL:
            signals.signal(number, signals.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _become_plain() -> None:
    for number in FORWARDED:
        signals.signal(number, signals.SIG_DFL)
    for number in pending:
        os.kill(os.getpid(), number)
    os.execv(PLAIN[0], PLAIN)  # noqa: S606 - a list, no shell is wanted


def _forward(number: int, _frame: object) -> None:
    """A signal for this process is a signal for the run; before the run exists it is kept."""
    if not run_pidfd:
        pending.append(number)
        return
    try:
        signals.pidfd_send_signal(run_pidfd[0], number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
