"""The follow-up's card at the terminal, once its run is answered: accept, with or without a grant, or decline."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from bq_copilot.cli.prompting import choose_follow_up
from bq_copilot.cli.render_card import render_card
from bq_copilot.client import RunHandle
from bq_copilot.follow_up_card import follow_up_card
from bq_copilot.state import RunState


def ask_follow_up(run: RunHandle, state: RunState, console: Console, is_over: Callable[[], bool]) -> None:
    """Ask the person at the terminal; what they leave waits until it expires."""
    series = state.series[-1]
    if state.answer is not None:
        console.print(Text(state.answer.summary))
    render_card(console, follow_up_card(series.requested))
    choice = choose_follow_up(console, is_over, offered=series.requested.offer is not None)
    match choice:
        case "accept" | "grant":
            run.follow_ups.accept(series.id, grant=choice == "grant")
        case "decline":
            run.follow_ups.decline(series.id)
        case _:
            console.print(Text(f"Left waiting: bq-copilot followups accept {series.id}", style="dim"))
