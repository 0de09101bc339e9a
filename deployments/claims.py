"""What the worker of this host has taken out of its queue and not yet handed to a process.

Decides: whether a flow run that Prefect calls Pending was taken by a worker that is gone. Never does: start anything.
Why this shape: Prefect does not say who took a run, so a run whose worker dies in that moment could only be told by
its age; a small file a flow run, written before it is taken, names the worker so that anybody on its host can tell
whether it still lives. A claim that is lost costs time, never a second start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.lease import holder, is_dead

PENDING = "PENDING"


class Claims:
    """A folder of claims: one host's."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which is made when it is needed."""
        self._folder = folder

    @contextmanager
    def held(self, flow_run_id: str) -> Iterator[None]:
        """Claim a flow run until its process is there, or it turns out that there will be none."""
        path = self._folder / flow_run_id
        with suppress(OSError):  # a full disk: then its age tells
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(holder())
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()

    def is_lost(self, flow_run_id: str, state_type: str) -> bool:
        """True when a worker took it that is provably gone, and no process of the flow run is on this host.

        Such a claim is forgotten as soon as the flow run is in another state: a later worker may be another host's.
        """
        path = self._folder / flow_run_id
        try:
            gone = is_dead(path.read_text())
        except OSError:
            return False
        if gone and state_type != PENDING:
            path.unlink(missing_ok=True)
        lost = gone and state_type == PENDING
        return lost and not any(is_process_of(process, flow_run_id) for process in Path("/proc").glob("[0-9]*"))


def is_process_of(process: Path, flow_run_id: str) -> bool:
    """Say whether a folder in /proc is that of the flow run's own process."""
    try:
        return f"PREFECT__FLOW_RUN_ID={flow_run_id}".encode() in (process / "environ").read_bytes()
    except OSError:
        return False
