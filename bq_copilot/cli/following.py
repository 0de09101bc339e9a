"""Staying with a run: its progress live from the ledger, and its questions put to the person who asked.

The person and the ledger are watched at the same time: when somebody else decides, the prompt goes away and says who
it was. Without a terminal nothing is asked; the run waits for whoever decides elsewhere.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from bq_copilot.cli.asking_again import ask_follow_up
from bq_copilot.cli.live_line import LiveLine
from bq_copilot.cli.prompting import Gone, choose_verdict, read_answer
from bq_copilot.cli.render_card import render_card
from bq_copilot.client import POLL_SECONDS, RunHandle
from bq_copilot.errors import CopilotError, Refused
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.safe_text import safe
from bq_copilot.state import RunState
from bq_copilot.views import newest_request

QUIET_SECONDS = 5.0
"""After so long without an event the server is asked whether it is there."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who sits there."""

    yes: bool
    """Approve by itself, saying so."""
    at_terminal: bool
    """Somebody can be asked."""


def follow(run: RunHandle, person: Person, console: Console) -> RunState:
    """Stay with the run until it has ended; return its last state."""
    handled = ""
    with LiveLine(console) as line:
        console.print(Text(f"{run.run_id} · {safe(run.state.question)}", style="bold"))
        pause, seen_at, seq = threading.Event(), time.monotonic(), 0
        while (state := run.state).phase not in TERMINAL:
            for update in run.updates(after=seq):
                line.tell(update)
                seq, seen_at = update.seq, time.monotonic()
            line.show(state, run.heard() if console.is_terminal else None)
            open_now = _open_wait(state)
            asks = person.at_terminal and not person.yes and open_now != handled
            if state.phase is Phase.AWAITING_FOLLOW_UP and not asks:
                break  # it is answered; whoever wants the follow-up says so later
            if open_now and open_now != handled:
                handled = open_now
                with line.hidden():
                    _ask(run, state, person, console)
                continue
            seen_at = _look_at_server(run, state, line, seen_at)
            pause.wait(POLL_SECONDS)
        for update in run.updates(after=seq):
            line.tell(update)
    return state


def _open_wait(state: RunState) -> str:
    """Return a name for what the run waits for a person with, empty when it does not."""
    if state.phase is Phase.AWAITING_APPROVAL and state.plan and state.plan.decided is None:
        return f"approval {state.plan.digest}"
    if state.phase is Phase.AWAITING_ANSWER and state.asked:
        return f"question {state.asked.turn}"
    if state.phase is Phase.AWAITING_FOLLOW_UP and state.series[-1].decided is None:
        return f"follow-up {state.series[-1].id}"
    return ""


def _look_at_server(run: RunHandle, state: RunState, line: LiveLine, seen_at: float) -> float:
    """Say when the server is away while the run should be moving; return when to look again."""
    idle = time.monotonic() - seen_at > QUIET_SECONDS and not _open_wait(state) and state.waiting is None
    if not idle:
        return seen_at
    line.server(there=run.server_answers())
    return time.monotonic()


def _ask(run: RunHandle, state: RunState, person: Person, console: Console) -> None:
    try:
        if state.phase is Phase.AWAITING_ANSWER:
            _ask_question(run, state, person, console)
        elif state.phase is Phase.AWAITING_FOLLOW_UP:
            ask_follow_up(run, state, console, lambda: not _open_wait(run.state))
        else:
            _ask_approval(run, person, console)
    except Gone:
        console.print(Text(_who_was_first(run.state), style="yellow"))
    except CopilotError as error:
        console.print(Text(f"{safe(error.message)} {safe(error.next)}".strip(), style="red"))
    else:
        if not run.woken.ok:
            console.print(Text(f"It stands, but {safe(run.woken.why)}.", style="yellow"))


def _ask_approval(run: RunHandle, person: Person, console: Console) -> None:
    render_card(console, run.card())
    plan = newest_request(run.state)
    digest = plan.digest if plan else ""
    if person.yes:
        console.print(Text("Approved by itself, because of --yes.", style="yellow"))
        run.approve(digest=digest, reason="--yes on the command line")
        return
    if not person.at_terminal:
        console.print(Text(f"Waits for approval: bq-copilot approve {run.run_id}", style="yellow"))
        return
    queries = {q.id: q.sql for q in plan.request.queries} if plan and plan.request else {}
    choice = choose_verdict(console, queries, lambda: not _open_wait(run.state))
    match choice.verdict:
        case "approve":
            run.approve(digest=digest)
        case "reject":
            run.reject(choice.text, digest=digest)
        case "edit":
            run.edit(choice.sql, digest=digest)
        case _:
            console.print(Text(f"Left waiting: bq-copilot approve {run.run_id}", style="dim"))


def _ask_question(run: RunHandle, state: RunState, person: Person, console: Console) -> None:
    asked = state.asked
    assert asked is not None
    console.print(Text(f"Question for you: {safe(asked.question)}", style="yellow"))
    for number, option in enumerate(asked.options, start=1):
        console.print(Text(f"  {number}. {safe(option)}"))
    if not person.at_terminal:
        console.print(Text(f'Waits for an answer: bq-copilot answer {run.run_id} "…"', style="yellow"))
        return
    text = read_answer(console, asked.options, lambda: not _open_wait(run.state))
    if not text:
        raise Refused("No answer was given; the question stays open.", code="no_answer")
    run.answer(text)


def _who_was_first(state: RunState) -> str:
    decided = state.plan.decided if state.plan else None
    later = state.series[-1].decided if state.series else None
    if later is not None and state.cancel is None:
        return f"{safe(later.by)} decided about the follow-up in the meantime: {later.verdict}."
    if state.cancel is not None:
        return f"{safe(state.cancel.by)} cancelled the run in the meantime."
    if state.answered is not None and (decided is None or state.phase is Phase.CLARIFYING):
        return f"{safe(state.answered.by)} answered it in the meantime."
    if decided is not None:
        return f"{safe(decided.by)} decided in the meantime: {decided.verdict}."
    return f"It is no longer asked; the run is {state.phase}."
