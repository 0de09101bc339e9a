"""Ledgers of every release replay on this code: same phases, same figures, receipts that verify."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from bq_copilot import steps
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.judging import Judges
from bq_copilot.ledger_reader import parse_all
from bq_copilot.receipts import Row
from bq_copilot.replaying import replay
from bq_copilot.shelf import Shelf
from bq_copilot.transitions import fold
from bq_copilot.verifying import check_run

HERE = Path(__file__).parent
LEDGERS = sorted(HERE.glob("*/*.jsonl"))


def _rows(path: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _said(path: Path) -> dict[str, Any]:
    return json.loads((path.parent / "index.json").read_text())[path.stem]


def test_there_is_a_golden_ledger_of_every_way_a_run_can_go() -> None:
    """The stories and the kept files agree."""
    from bq_copilot.version import __version__
    from tests.golden.stories import STORIES

    kept = {p.stem for p in LEDGERS if p.parent.name == __version__}
    assert kept == set(STORIES)


@pytest.mark.parametrize("path", LEDGERS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_golden_ledger_folds_to_what_it_was(path: Path) -> None:
    """Phase, failure, cost, turns and attempts are those that the release recorded."""
    said, rows = _said(path), _rows(path)
    state = fold(said["run_id"], parse_all(rows))
    found = {
        "run_id": state.run_id,
        "rows": len(rows),
        "phase": str(state.phase),
        "failure": state.failure.code if state.failure else "",
        "head": state.hash,
        "bytes_billed": state.bytes_billed,
        "turns": len(state.turns),
        "attempts": state.started.attempt if state.started else 0,
    }
    assert found == said
    assert steps.next_step(state) == steps.Done(state.phase)


@pytest.mark.parametrize("path", LEDGERS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_golden_ledger_verifies(path: Path) -> None:
    """Hash chain, approvals and every stored text are as they were recorded."""
    said, rows = _said(path), _rows(path)
    checked = check_run(said["run_id"], rows, Shelf(FolderBlobs(HERE)), None)
    assert (checked.rows, checked.head) == (said["rows"], said["head"])


@pytest.mark.parametrize("path", LEDGERS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_beginning_of_a_golden_ledger_has_a_next_step(path: Path) -> None:
    """A process of this version could take the run over after any event."""
    said, events = _said(path), parse_all(_rows(path))
    for count in range(1, len(events)):
        assert not isinstance(steps.next_step(fold(said["run_id"], events[:count])), steps.Done)


@pytest.mark.parametrize("path", LEDGERS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_F28_a_golden_ledger_replays_and_calls_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same steps, prompts and verdicts, with every socket forbidden: neither model nor warehouse is asked."""

    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("a replay opened a socket")

    monkeypatch.setattr(socket, "socket", no_socket)
    said, shelf = _said(path), Shelf(FolderBlobs(HERE))
    with Judges(shelf) as judge:
        done = replay(said["run_id"], parse_all(_rows(path)), shelf, judge)
    assert str(done.difference or "") == ""
    assert (done.events, done.phase) == (said["rows"], said["phase"])
    assert done.counts.steps >= said["rows"] // 2
    assert done.counts.prompts + done.counts.other_prompts == said["turns"]
