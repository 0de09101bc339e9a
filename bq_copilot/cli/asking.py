"""`ask`: record a question, start its run, and stay with it until it ends, asking the person where it must."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bq_copilot.cli.options import Environment, Json
from bq_copilot.cli.output import DONE, code_of_phase, console, put_json, report, say
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import CopilotError

INTERRUPTED = 130
"""What a shell expects of a program that was stopped by Ctrl-C."""


def ask(
    question: Annotated[str, typer.Argument(help="The question, as you would ask a colleague.")],
    yes: Annotated[bool, typer.Option("--yes", help="Approve by itself, in your name, saying so.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start the run and do not wait for it.")] = False,
    request_key: Annotated[
        str, typer.Option(help="The same key and question give the same run; a new one by default.")
    ] = "",
    requester: Annotated[str, typer.Option(help="Who asks; the user of this computer by default.")] = "",
    after: Annotated[str, typer.Option(help="An earlier run of yours that this question continues.")] = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Ask a question; a person approves the exact SQL before anything runs."""
    copilot = Copilot(environment=environment, via="cli")
    run = copilot.record(question, request_key=request_key or None, requester=requester or None, after=after)
    try:
        flow_run = run.start(somebody_waits=not detach)
    except CopilotError as error:
        raise typer.Exit(_not_started(error, run, as_json=json)) from None
    if detach:
        _detached(run, flow_run, as_json=json)
        return
    raise typer.Exit(_stay(run, yes=yes, as_json=json))


def _not_started(error: CopilotError, run: RunHandle, *, as_json: bool) -> int:
    received = run.state.received
    key = received.request_key if received else ""
    code = report(error, as_json=as_json, more={"run_id": run.run_id, "request_key": key})
    if not as_json:
        say(f"The question is recorded as {run.run_id}; it starts when the server is back.", err=True)
        say(f"→ To ask again yourself, use --request-key {key}: it stays one run.", err=True)
    return code


def _detached(run: RunHandle, flow_run_id: str, *, as_json: bool) -> None:
    state = run.state
    if as_json:
        received = state.received
        put_json(
            {
                "run_id": run.run_id,
                "phase": str(state.phase),
                "request_key": received.request_key if received else "",
                "requester": state.requester,
                "flow_run_id": flow_run_id,
            }
        )
        return
    say(run.run_id, "bold")
    say(f"bq-copilot show {run.run_id}", "dim")


def _stay(run: RunHandle, *, yes: bool, as_json: bool) -> int:
    from bq_copilot.cli.following import Person, follow  # noqa: PLC0415 - live display, not for --detach

    person = Person(yes=yes, at_terminal=sys.stdin.isatty() and not as_json)
    try:
        state = follow(run, person, console(err=as_json))
    except KeyboardInterrupt:
        say(f"\nThe run goes on without you: bq-copilot show {run.run_id}", err=True)
        return INTERRUPTED
    view = run.show()
    if as_json:
        put_json(view)
    else:
        from bq_copilot.cli.render_run import render_outcome  # noqa: PLC0415 - tables, not for JSON

        render_outcome(console(), view)
    return code_of_phase(state.phase) or DONE
