"""Runs that a chaos run really made, with kills all over: each verifies and replays with no difference.

The file is made by `python -m tests.chaos --keep FOLDER` and then `python -m tests.golden.pack FOLDER`.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from pathlib import Path

import pytest

from bq_copilot import steps
from bq_copilot.judging import Judges
from bq_copilot.ledger_reader import parse_all
from bq_copilot.receipts import seal
from bq_copilot.replaying import Replayed, replay
from bq_copilot.shelf import Shelf
from bq_copilot.transitions import fold
from bq_copilot.verifying import check_run
from tests.golden.pack import HERE, SUFFIX, Kept, pack, unpack

FILES = sorted(HERE.glob(f"chaos-*{SUFFIX}"))
ENOUGH = 200


@pytest.fixture(scope="module", params=FILES, ids=lambda p: p.name)
def kept(request: pytest.FixtureRequest) -> Kept:
    """The runs of one release."""
    return unpack(request.param)


def _replay_all(kept: Kept) -> list[Replayed]:
    shelf = Shelf(kept)
    with Judges(shelf) as judge:
        return [replay(name, parse_all(rows), shelf, judge) for name, rows in kept.runs.items()]


def test_chaos_left_two_hundred_runs_that_were_killed_in_every_way() -> None:
    """There are enough of them, some were taken over by another process, and they did not all end alike."""
    runs = {name: rows for path in FILES for name, rows in unpack(path).runs.items()}
    assert len(runs) >= ENOUGH
    states = [fold(name, parse_all(rows)) for name, rows in runs.items()]
    recovered = [s for s in states if s.started is not None and s.started.attempt > 1]
    assert len(recovered) >= len(runs) // 10
    assert len(Counter(str(s.phase) for s in states)) >= 3


def test_F28_every_run_of_chaos_replays_with_no_difference(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same steps, verdicts, figures and phases, with every socket forbidden: 0 differences."""

    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("a replay opened a socket")

    monkeypatch.setattr(socket, "socket", no_socket)
    done = _replay_all(kept)
    assert [f"{one.run_id}: {one.difference}" for one in done if one.difference] == []
    assert sum(one.events for one in done) == sum(len(rows) for rows in kept.runs.values())
    assert all(one.counts.steps >= one.events // 3 for one in done)


def test_F19_every_run_of_chaos_verifies_and_has_ended(kept: Kept) -> None:
    """Chain, approvals and stored texts are as they were recorded, and nothing is left to do."""
    shelf = Shelf(kept)
    for name, rows in kept.runs.items():
        assert check_run(name, rows, shelf, None).rows == len(rows)
        state = fold(name, parse_all(rows))
        assert steps.next_step(state) == steps.Done(state.phase)


def test_a_difference_in_one_run_of_chaos_is_found(kept: Kept) -> None:
    """The comparison can fail: another summary in one run's answer is the only difference, and named at its row."""
    name, row = next((n, r) for n, rows in kept.runs.items() for r in rows if r.kind == "answer_written")
    body = json.dumps(json.loads(row.body) | {"summary": "Nothing was sold."})
    rows = list(kept.runs[name])
    rows[row.seq - 1] = seal(row.run_id, row.seq, row.kind, body, row.at, row.prev_hash)
    found = {one.run_id: one.difference for one in _replay_all(Kept({name: rows}, kept.texts)) if one.difference}
    assert {run: d.seq for run, d in found.items()} == {name: row.seq}


def test_packing_keeps_every_row_and_text(kept: Kept, tmp_path: Path) -> None:
    """What is unpacked is what was packed."""
    name = next(iter(kept.runs))
    small = Kept({name: kept.runs[name]}, dict(list(kept.texts.items())[:3]))
    path = tmp_path / f"some{SUFFIX}"
    path.write_bytes(pack(small))
    assert unpack(path) == small
