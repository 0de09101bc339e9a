"""`fork` and `diff`: go on from an earlier place with something changed, and see what that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bq_copilot.cli.options import Environment, Json, RunId
from bq_copilot.cli.output import console, put_json, say
from bq_copilot.client import Copilot
from bq_copilot.errors import Refused
from bq_copilot.safe_text import clip, safe


def fork(  # noqa: PLR0913, PLR0917 - one option for each thing that can be another one
    run: RunId,
    at: Annotated[
        int | None,
        typer.Option(min=1, help="The event after which it goes on (`trace`); by default where the edit belongs."),
    ] = None,
    answer: Annotated[str, typer.Option(help="Another answer to the question that is open there.")] = "",
    sql_file: Annotated[Path | None, typer.Option(help="Other SQL for the plan that is open there.")] = None,
    query: Annotated[str, typer.Option(help="Which query the SQL is for; may stay empty if there is one.")] = "",
    model: Annotated[str, typer.Option(help="Another model, by the name that the endpoint knows.")] = "",
    policy: Annotated[Path | None, typer.Option(help="Another policy (YAML); today's applies as well.")] = None,
    request_key: Annotated[str, typer.Option(help="The same key gives the same fork; a new one by default.")] = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Start a new run from where this one stood; approvals, jobs, schedules and grants stay behind."""
    sql = {query: _read(sql_file)} if sql_file else {}
    rules = _read(policy) if policy else ""
    parent = Copilot(environment=environment, via="cli").run(run)
    made = parent.fork(at or 0, answer=answer, sql=sql, model=model, policy=rules, request_key=request_key or None)
    state = made.state
    received, forked = state.received, state.forked
    if json:
        key, who = (received.request_key, received.requester) if received else ("", "")
        put_json(
            {
                "run_id": made.run_id,
                "phase": str(state.phase),
                "request_key": key,
                "requester": who,
                "flow_run_id": made.start(),
            }
        )
        return
    say(made.run_id, "bold")
    for words in (*forked.edits, *(f"not taken over: {d}" for d in forked.dropped)) if forked else ():
        say(f"  {words}", "dim")
    say(f"bq-copilot show {made.run_id}   bq-copilot diff {run} {made.run_id}", "dim")


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", code="no_file") from error
    if not text.strip():
        raise Refused(f"{path} is empty.", code="no_file")
    return text


def diff(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="Id of the one run.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="Id of the other.")],
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Compare two runs, from the question to the figures of the answer."""
    found = Copilot(environment=environment, via="cli").diff(a, b)
    if json:
        put_json(found)
        return
    out = console()
    out.print(Text(f"{found['a']} and {found['b']}", style="bold"))
    if found["related"]:
        out.print(Text(found["related"], style="dim"))
    for one in found["differences"]:
        out.print(Text(safe(one["what"]), style="yellow"))
        if not one["lines"]:
            out.print(Text(f"  {clip(one['a'] or 'nothing', 100)}  →  {clip(one['b'] or 'nothing', 100)}"))
        for line in one["lines"]:
            out.print(Text(f"  {safe(line)}", style={"+": "green", "-": "red"}.get(line[:1], "dim")), soft_wrap=True)
    out.print(Text(f"the same: {', '.join(found['same']) or 'nothing'}", style="dim"))
