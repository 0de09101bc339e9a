"""The commands of an operator: resume and abandon a parked run, retry a partly finished one, undo an ended one.

A parked run waits for neither time nor answer: something kept several processes from going on, or a newer version
wrote it. `runs --phase parked` lists them with their reasons.
"""

from __future__ import annotations

from typing import Annotated

import typer

from bq_copilot.cli.options import Environment, Json, RunId
from bq_copilot.cli.steering import done
from bq_copilot.client import Copilot
from bq_copilot.parts import parts
from bq_copilot.undo_transitions import removable

Reason = Annotated[str, typer.Option(help="Why, for the receipt.")]


def resume(run: RunId, reason: Reason = "", json: Json = False, environment: Environment = "default") -> None:
    """Let a parked run go on where it stopped."""
    handle = Copilot(environment=environment, via="cli").run(run).resume(reason)
    done(handle, f"{run} goes on.", as_json=json)


def retry(run: RunId, reason: Reason = "", json: Json = False, environment: Environment = "default") -> None:
    """Try again what a partly finished run has no result of; what finished is not run again."""
    handle = Copilot(environment=environment, via="cli").run(run).retry(reason)
    left = ", ".join(p.query for p in parts(handle.state) if p.state != "finished")
    done(handle, f"{run} goes on with {left}.", as_json=json)


def undo(run: RunId, reason: Reason = "", json: Json = False, environment: Environment = "default") -> None:
    """Remove what an ended run left: follow-ups, standing grants, tables without a result; its results stay."""
    handle = Copilot(environment=environment, via="cli").run(run)
    left = ", ".join(dict.fromkeys(u.target for u in removable(handle.state)))
    handle.undo(reason)
    done(handle, f"{run} removes what it left: {left}. Its results stay readable.", as_json=json)


def abandon(run: RunId, reason: Reason = "", json: Json = False, environment: Environment = "default") -> None:
    """Give a parked run up: jobs that are alive are stopped, then it is cancelled."""
    handle = Copilot(environment=environment, via="cli").run(run).abandon(reason)
    done(handle, f"{run} is given up.", as_json=json)
