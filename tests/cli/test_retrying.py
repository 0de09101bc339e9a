"""A run that finished partly: what `show` says of each query, and what `retry` records."""

from __future__ import annotations

from pathlib import Path

from tests import recorded_runs as rr
from tests.cli.conftest import Bq
from tests.cli.prefect_double import PrefectDouble


def test_F13_show_has_a_table_of_what_finished(home: Path, bq: Bq) -> None:
    """Each query with its bytes and whether it is safe to try again; the finished result stays readable."""
    run = rr.partial(home)
    view = bq("show", run.run_id, "--json").json
    assert [(p["query"], p["state"], p["bytes_billed"], p["safe_to_retry"]) for p in view["parts"]] == [
        ("q1", "finished", 20 * 2**20, False),
        ("q2", "failed", 20 * 2**20, True),
    ]
    assert view["results"][0]["rows"] == [list(row) for row in rr.ROWS]
    assert view["error"]["message"] == (
        "partial: 1 of 2 queries finished (40.0 MiB billed); q2 failed: Division by zero"
    )
    text = bq("show", run.run_id).out
    assert "it is not run again" in text
    assert f"`bq-copilot retry {run.run_id}` runs only the rest" in text


def test_retry_puts_the_run_back_in_its_queue(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """It says what it goes on with; the flow run is scheduled again."""
    run, prefect.state = rr.partial(home), "COMPLETED"
    found = bq("retry", run.run_id, "--reason", "once more")
    assert (found.code, f"{run.run_id} goes on with q2." in found.out) == (0, True)
    run.journal.refresh()
    assert run.state.phase == "executing"
    assert [b["state"]["type"] for b in prefect.bodies("/set_state")] == ["CRASHED", "SCHEDULED"]


def test_nothing_is_left_to_retry_of_a_finished_run(home: Path, bq: Bq) -> None:
    """It is refused with what to do instead."""
    found = bq("retry", rr.finished(home).run_id, "--json")
    assert (found.code, found.json["error"]["code"]) == (3, "nothing_to_retry")
