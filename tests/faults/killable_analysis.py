"""The project's own flow, whose process kills itself at a named point. Deployed by the tests only.

`BQ_COPILOT_KILL_AT` is `<event kind>:before-append` or `<event kind>:after-append`; `BQ_COPILOT_KILL_TIMES` says how
often (once by default), counted in marker files, because the same flow run comes back with the same variables.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bq_copilot.events import Event, Recorded
from bq_copilot.journal import Journal
from flows.analysis import analyze

__all__ = ["analyze"]

_append = Journal.append


def append(self: Journal, event: Event) -> Recorded:
    """Record as the product does, unless this is the place to die."""
    die_at(self.run_id, f"{event.kind}:before-append")
    recorded = _append(self, event)
    die_at(self.run_id, f"{event.kind}:after-append")
    return recorded


def die_at(run_id: str, point: str) -> None:
    """SIGKILL this process if it is armed for this point and has deaths left."""
    if os.environ.get("BQ_COPILOT_KILL_AT") != point:
        return
    folder = Path(os.environ["BQ_COPILOT_HOME"]) / "kills"
    folder.mkdir(exist_ok=True)
    deaths = len(list(folder.glob(f"{run_id}.*")))
    if deaths < int(os.environ.get("BQ_COPILOT_KILL_TIMES", "1")):
        (folder / f"{run_id}.{deaths}").touch()
        os.kill(os.getpid(), signal.SIGKILL)


Journal.append = append
