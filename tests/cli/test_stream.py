"""`RunHandle.stream`: every event, in order, a moment after it was recorded, whatever stops in between."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from bq_copilot.client import Copilot
from bq_copilot.events import Waited
from tests import recorded_runs as rr

LATE = 0.3
"""Seconds after which an update is too late."""

EVENTS = 20


def test_updates_arrive_within_300_milliseconds(tmp_path: Path) -> None:
    """Twenty events at odd moments: each is seen in time; one may meet a moment when the machine was busy elsewhere."""
    run = rr.Recording(tmp_path).started()
    begun, recorded = run.state.seq, dict[int, float]()
    handle = Copilot(installation=run.installation).run(run.run_id)

    def record() -> None:
        for n in range(EVENTS):
            threading.Event().wait(0.037 + (n % 5) * 0.021)
            run.add(Waited(what="TakeTurn", reason="rate limit", attempt=1, until=run.ledger.now()))
            recorded[run.state.seq] = time.monotonic()
        run.ended("failed")

    writer = threading.Thread(target=record)
    writer.start()
    seen = {update.seq: time.monotonic() for update in handle.stream(after=begun, timeout=60)}
    writer.join()
    assert list(seen) == list(range(begun + 1, run.state.seq + 1))
    late = sorted(seen[seq] - at for seq, at in recorded.items())
    assert late[-2] <= LATE, late[-3:]


def test_a_stream_goes_on_when_the_ledger_is_back(tmp_path: Path) -> None:
    """The ledger goes away in the middle and comes back with more: nothing is missing, nothing comes twice."""
    run = rr.Recording(tmp_path).started()
    handle = Copilot(installation=run.installation).run(run.run_id)
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(u.seq for u in handle.stream(timeout=60)))
    file, away = tmp_path / "ledger.db", tmp_path / "away.db"
    run.ledger.close()
    handle._installation.reader._connection.close()  # type: ignore[attr-defined]
    handle._installation.reader._connection = None  # type: ignore[attr-defined]
    file.rename(away)
    reader.start()
    threading.Event().wait(0.3)
    assert reader.is_alive()
    away.rename(file)
    run.ended("failed")
    reader.join(30)
    assert seen == list(range(1, run.state.seq + 1))


def test_a_new_reader_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    """All that a reader must keep is the last number that it saw."""
    run = rr.finished(tmp_path)
    first = [u.seq for u, _ in zip(Copilot(installation=run.installation).run(run.run_id).stream(), range(7))]  # noqa: B905
    rest = [u.seq for u in Copilot(installation=run.installation).run(run.run_id).stream(after=first[-1])]
    assert first + rest == list(range(1, run.state.seq + 1))
