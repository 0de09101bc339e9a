"""A run of 10,000 events: seconds of `trace`, bytes of its page, events a second in replay.

Replay compares steps, prompts byte for byte and figures for every event; verdicts cost what the gate costs, once for
each statement. All times are seconds of this process's own processor time: the machine is shared.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path

from rich.console import Console

from bq_copilot.checks import check_all
from bq_copilot.cli.render_trace import render_trace
from bq_copilot.ledger_reader import parse_all
from bq_copilot.replaying import replay
from bq_copilot.replays import replay_all
from bq_copilot.run_page import run_page
from bq_copilot.trace_view import trace
from tests.long_run import long_run

EVENTS = 10_000


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        run = long_run(Path(folder), EVENTS)
        at = run.installation
        reader = at.reader
        rows = reader.rows(run.run_id)
        once = replay(run.run_id, reader.read(run.run_id), at.shelf)
        assert once.difference is None, once.difference
        reading = _best(lambda: parse_all(rows))
        replaying = _best(lambda: replay(run.run_id, reader.read(run.run_id), at.shelf))
        print(f"replay ({once.counts.prompts:,} prompts):       {run.seq / replaying:,.0f} events/s, read included")
        print(f"reading and parsing alone:     {run.seq / reading:,.0f} events/s")
        print(f"replay as it is typed:         {_best(lambda: replay_all(at, run.run_id), 2):.2f} s (no plan to judge)")
        print(f"trace, printed:                {_best(lambda: _print(run.run_id, at)):.2f} s")
        started = time.process_time()
        page = run_page(at, run.run_id)
        print(
            f"page:                          {time.process_time() - started:.2f} s, {len(page.encode()) / 1e6:.2f} MB"
        )
        print(f"verify:                        {_best(lambda: check_all(at, run.run_id), 2):.2f} s")


def _print(run_id: str, at) -> None:
    render_trace(Console(file=io.StringIO(), width=120), trace(run_id, at.reader.read(run_id), at.shelf))


def _best(act, times: int = 3) -> float:
    found: list[float] = []
    for _ in range(times):
        started = time.process_time()
        act()
        found.append(time.process_time() - started)
    return min(found)


if __name__ == "__main__":
    main()
