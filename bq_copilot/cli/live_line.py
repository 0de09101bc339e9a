"""The live line under a followed run, and the lines above it that stay.

At a terminal one line moves: phase, step, what is waited for, spend so far. Elsewhere only the lines that stay are
printed, so that a log reads well.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from bq_copilot.amounts import counted, money, size
from bq_copilot.cli.wordings import PHASE_STYLE, duration
from bq_copilot.client import Update
from bq_copilot.progress import Heard
from bq_copilot.safe_text import safe
from bq_copilot.state import RunState
from bq_copilot.steps import next_step
from bq_copilot.wording import event_words, step_words

KEPT = frozenset(
    {"plan_proposed", "plan_ruled", "plan_estimated", "estimate_refused", "question_answered", "approval_decided"}
    | {"decision_refused", "approval_voided", "job_submitted", "job_adopted", "job_finished", "result_read"}
    | {"waited", "cancel_requested", "answer_written", "follow_up_proposed"}
)
"""Kinds of events that leave a line behind; the others only move the live line."""


class LiveLine:
    """Shows where a run is; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._text = Text()
        self._away = False
        self._spinner = Spinner("dots")
        self._live = Live(self, console=console, refresh_per_second=10, transient=True)

    def __enter__(self) -> LiveLine:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self._spinner.text = self._text
        yield self._spinner

    @contextmanager
    def hidden(self) -> Generator[None]:
        """Take the live line away, so that a person can be asked."""
        self._live.stop()
        try:
            yield
        finally:
            if self._console.is_terminal:
                self._live.start()

    def tell(self, update: Update) -> None:
        """Leave a line behind for an event that people want to have seen."""
        self.server(there=True)
        recovered = update.event.kind == "run_started" and update.event.reason == "recovered"
        if update.kind not in KEPT and not recovered:
            return
        after = duration(time.monotonic() - self._began)
        line = Text.assemble((f"{after:>7}  ", "dim"), safe(event_words(update.event)))
        self._console.print(line)

    def show(self, state: RunState, heard: Heard | None = None) -> None:
        """Say where the run is now, and how far the model's reply has come."""
        spent = f"{counted(len(state.turns), 'turn')}, {state.tokens:,} tokens, {money(state.usd)}, "
        spent += f"{size(state.bytes_billed)} billed"
        phase = (str(state.phase), PHASE_STYLE.get(state.phase, "bold"))
        text = Text.assemble(phase, f" · {safe(step_words(next_step(state)))} · ")
        text.append(f"{duration(time.monotonic() - self._began)} · {spent}", style="dim")
        if heard is not None:
            text.append(f"\n  {safe(heard.words())}", style="dim")
        if state.waiting is not None:
            until = _clock(state.waiting.until)
            text.append(f"\n  waiting: {safe(state.waiting.reason)}, next try {until}", style="yellow")
        if self._away:
            text.append("\n  server unreachable; the run goes on when it is back", style="red")
        self._text = text

    def server(self, *, there: bool) -> None:
        """Note whether the Prefect server answers; a change is said once."""
        if there is self._away:
            self._away = not there
            words = "The server answers again." if there else "server unreachable; nothing is lost, still watching"
            self._console.print(Text(words, style="green" if there else "red"))


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"
