"""A list of waiting runs says the same whether one event or the whole history is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bq_copilot.ledger_reader import open_reader
from bq_copilot.list_views import pending
from bq_copilot.transitions import fold
from bq_copilot.waiting_list import waiting_states
from tests import recorded_runs as rr


def delegated(home: Path) -> rr.Recording:
    """A run whose request was given to somebody else: its last event is not the request."""
    return rr.waiting_for_approval(home).decided("delegate", delegate_to="ben")


@pytest.mark.parametrize("make", [rr.waiting_for_approval, rr.waiting_for_answer, delegated])
def test_the_short_way_and_the_long_way_list_the_same(make, tmp_path: Path) -> None:
    """Every field of the list is the same."""
    run = make(tmp_path)
    reader = open_reader(run.ledger.url)
    short = pending(waiting_states(reader.heads(["awaiting_approval", "awaiting_answer"]), reader), reader.now())
    (long,) = pending([fold(run.run_id, reader.read(run.run_id))], reader.now())
    assert short == [long]
