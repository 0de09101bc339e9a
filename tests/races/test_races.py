"""The contests, short: the full number of runs is `python -m tests.races`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bq_copilot.ledger_sql import SqlLedger
from tests.ledger.conftest import server, url  # noqa: F401 - the same two databases
from tests.races.__main__ import same_key
from tests.races.contests import CONTESTS, Contest
from tests.races.grounds import submit_together

RUNS = 40


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda c: c.name.replace(" ", "-"))
def test_exactly_one_decision_and_the_loser_knows_whose(contest: Contest, url: str, tmp_path: Path) -> None:  # noqa: F811
    """Forty contested runs each, from processes that meet at a barrier."""
    wins = contest.run(url, RUNS)
    assert sum(wins.values()) == RUNS * len(contest.contenders)


def test_one_key_is_one_run_however_often_it_is_submitted(url: str) -> None:  # noqa: F811
    """Two hundred submissions from four processes begin one run."""
    assert same_key(url, 200)["began"] == 1


def test_one_key_with_several_questions_is_one_run_and_conflicts(url: str) -> None:  # noqa: F811
    """Who comes with another question is told so; the first question stands."""
    told = Counter(submit_together(url, 4, 25, lambda number: f"question {number % 2}"))
    assert told["began"] == 1
    assert told["request_key_conflict"] == 50
    assert len(SqlLedger(url).heads(limit=10)) == 1
