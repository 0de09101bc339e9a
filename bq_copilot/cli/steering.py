"""The commands that decide: approve, reject, edit, delegate, answer, cancel.

Each is recorded in the ledger before Prefect hears of it; whoever comes second is told who was first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bq_copilot.cli.options import Code, Digest, Environment, Json, RunId
from bq_copilot.cli.output import put_json, say
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.views import newest_request

Reason = Annotated[str, typer.Option(help="Why, for the receipt.")]


def _open(run: str, environment: str) -> RunHandle:
    return Copilot(environment=environment, via="cli").run(run)


def approve(
    run: RunId,
    digest: Digest = "",
    reason: Reason = "",
    code: Code = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Approve the open request of a run: exactly the SQL that `show` prints."""
    handle = _open(run, environment).approve(digest=digest or None, reason=reason, code=code)
    _decided(handle, "approved", as_json=json)


def reject(
    run: RunId,
    reason: Annotated[str, typer.Option(help="Why, for the receipt and for whoever asked.")] = "",
    digest: Digest = "",
    code: Code = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Reject the open request of a run; nothing is executed."""
    handle = _open(run, environment).reject(reason, digest=digest or None, code=code)
    _decided(handle, "rejected", as_json=json)


def edit(
    run: RunId,
    sql_file: Annotated[Path, typer.Option(exists=True, dir_okay=False, readable=True, help="File with the new SQL.")],
    query: Annotated[str, typer.Option(help="Which query; may be left out when there is one.")] = "",
    reason: Reason = "",
    digest: Digest = "",
    code: Code = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Replace the SQL of a query; it passes the gate again, and is asked about again."""
    handle = _open(run, environment)
    sql = sql_file.read_text(encoding="utf-8")
    name = query or _only_query(handle)
    handle.edit({name: sql}, digest=digest or None, reason=reason, code=code)
    _decided(handle, "edited", as_json=json)


def _only_query(handle: RunHandle) -> str:
    plan = newest_request(handle.state)
    names = [q.id for q in plan.queries] if plan else []
    if len(names) > 1:
        raise typer.BadParameter(f"there are several queries; name one with --query: {', '.join(names)}")
    return names[0] if names else ""


def delegate(
    run: RunId,
    to: Annotated[str, typer.Option(help="Who decides instead of you.")],
    reason: Reason = "",
    digest: Digest = "",
    code: Code = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Give your decision about the open request to somebody else."""
    handle = _open(run, environment).delegate(to, digest=digest or None, reason=reason, code=code)
    done(handle, f"The decision about {run} is given to {to}.", as_json=json)


def answer(
    run: RunId,
    text: Annotated[str, typer.Argument(metavar="ANSWER", help="Your answer, in your own words.")],
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Answer the clarifying question of a run."""
    handle = _open(run, environment).answer(text)
    done(handle, f"Answered {run}.", as_json=json)


def rate(
    run: RunId,
    verdict: Annotated[str, typer.Argument(help="up or down", metavar="up|down")],
    reason: Reason = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Say whether an answer is good; approved queries of good answers serve as examples for later questions."""
    if verdict not in ("up", "down"):
        raise typer.BadParameter("say up or down")
    handle = _open(run, environment).rate("up" if verdict == "up" else "down", reason, via="cli")
    done(handle, f"{run} is rated {verdict}.", as_json=json)


def cancel(run: RunId, reason: Reason = "", json: Json = False, environment: Environment = "default") -> None:
    """Stop a run; jobs that are alive are cancelled first, and what they cost is said."""
    handle = _open(run, environment).cancel(reason)
    failure = handle.state.failure
    ended = handle.phase.is_terminal and failure is not None
    done(
        handle,
        failure.message if ended and failure else f"Cancel of {run} is recorded; it is being stopped.",
        as_json=json,
    )


def _decided(handle: RunHandle, word: str, *, as_json: bool) -> None:
    plan = newest_request(handle.state)
    name = plan.request.request_id if plan and plan.request else handle.run_id
    done(handle, f"{name} is {word}.", as_json=as_json)


def done(handle: RunHandle, text: str, *, as_json: bool) -> None:
    """Say what was recorded, and what makes the run go on."""
    woken, state = handle.woken, handle.state
    if as_json:
        view = {"run_id": handle.run_id, "phase": str(state.phase), "seq": state.seq}
        put_json({**view, "goes_on": woken.ok, "note": woken.why})
        return
    say(text, "green")
    if not woken.ok:
        say(f"It stands, but {woken.why}.", "yellow")
