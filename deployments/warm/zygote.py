"""`python -m deployments.warm.zygote`: the warm runner; forks a preloaded interpreter for each flow run.

Decides: whether a request can be served from the code in memory, and what becomes of a run whose launcher is gone
(it is killed at once). Never does: talk to Prefect, start a thread, or keep state about runs beyond their pids. Why
this shape: one loop over sockets and dead children; the forked child returns out of the loop and becomes an ordinary
interpreter that runs `prefect.engine`, so that nothing of Prefect's engine is repeated here.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from deployments.local.home import BEGIN, Home
from deployments.warm import launch
from deployments.warm.job import Job, prepare_prefect
from deployments.warm.preload import Snapshot, preload, threads
from deployments.warm.wire import BadRequest, Request, message, read_request

_BACKLOG = 64
_LOOK_MILLISECONDS = 2500
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Zygote:
    """The listening socket and the running children."""

    def __init__(self, path: Path, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._changed = snapshot
        self._listener = _listen(path)
        self._wake = _wake_on_children()
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(self._wake[0], select.POLLIN)
        self._links: dict[int, socket.socket] = {}
        """Link to the launcher, by pid of the run."""

    def serve(self) -> Job:
        """For ever; returns only in a forked child, with its job."""
        while True:
            events = self._poll.poll(_LOOK_MILLISECONDS)
            if not events:
                self._renew_when_quiet()
                continue
            fd, _event = events[0]  # one at a time: a number may stand for another link afterwards
            if fd == self._listener.fileno():
                if job := self._accept():
                    return job
            elif fd == self._wake[0].fileno():
                self._reap()
            else:
                self._launcher_gone(fd)

    def _accept(self) -> Job | None:
        link, _ = self._listener.accept()
        try:
            request = read_request(link)
        except (BadRequest, OSError, ValueError):
            link.close()
            return None
        if not self._can_serve(request):
            with suppress(OSError):
                link.sendall(message(launch.REFUSED))
            request.close()
            link.close()
            return None
        return self._fork(link, request)

    def _can_serve(self, request: Request) -> bool:
        here = (sys.executable, str(Path(launch.__file__).parent))
        if (request.python, request.folder) != here:
            return False
        if not self._snapshot.is_current():
            request.close()
            self._renew()
        return True

    def _renew(self) -> None:
        """The code on disk has changed: become a new runner. The launcher that asked starts its run plainly."""
        print("code has changed; the warm runner starts again", flush=True)
        self._listener.close()
        os.execv(BEGIN[0], [*BEGIN, "deployments.warm.zygote"])  # noqa: S606 - itself

    def _renew_when_quiet(self) -> None:
        """Nothing to do now: if somebody has changed the code, and is done with it, be ready for the next run."""
        if self._snapshot.is_current():
            return
        changed = self._snapshot.again()
        if changed == self._changed:
            self._renew()
        self._changed = changed

    def _fork(self, link: socket.socket, request: Request) -> Job | None:
        pid = os.fork()
        if pid == 0:
            self._forget_all()
            return Job(link, request)
        request.close()
        self._links[pid] = link
        self._poll.register(link, _GONE)
        return None

    def _forget_all(self) -> None:
        """In the child: nothing of the runner's is kept."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for own in (self._listener, *self._wake, *self._links.values()):
            own.close()
        self._links.clear()

    def _launcher_gone(self, fd: int) -> None:
        """The launcher was killed: so is its run, whatever it does just now."""
        for pid, link in self._links.items():
            if link.fileno() == fd:
                self._poll.unregister(fd)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while self._wake[0].recv(4096):
                pass
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._report(*ended)

    def _report(self, pid: int, status: int) -> None:
        link = self._links.pop(pid, None)
        if link is None:
            return
        with suppress(KeyError):
            self._poll.unregister(link)
        with suppress(OSError):
            link.sendall(message(launch.ENDED, status))
        link.close()


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    listener.bind(str(path))
    os.umask(old)
    listener.listen(_BACKLOG)
    return listener


def _wake_on_children() -> tuple[socket.socket, socket.socket]:
    wake, tell = socket.socketpair()
    wake.setblocking(False)
    tell.setblocking(False)
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wake, tell


def main() -> None:
    """Preload, then serve; exits when a library has started a thread, because forking would then be unsafe."""
    for line in preload():
        print("not preloaded:", line, flush=True)
    prepare_prefect()
    if (count := threads()) != 1:
        sys.exit(f"{count} threads after preloading: not safe to fork, runs start plainly")
    gc.collect()
    gc.freeze()
    zygote = Zygote(Home.of(os.environ).warm_socket, Snapshot.take())
    zygote.serve().run()


if __name__ == "__main__":
    main()
