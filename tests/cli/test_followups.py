"""`followups`: add, accept, list, show, stop; one deployment a series, whatever happens twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from bq_copilot import scheduling
from bq_copilot.journal import Journal
from bq_copilot.rhythm import Rhythm, read
from bq_copilot.series_views import SeriesHistoryView, SeriesView
from tests import recorded_runs as rr
from tests.cli.conftest import Bq
from tests.cli.prefect_double import PrefectDouble
from tests.cli.test_documented_json import BLOCK, keys_of_type, keys_of_value

DOCS = Path(__file__).parents[2] / "docs" / "follow-ups.md"


def _added(home: Path, bq: Bq, when: str = "every Monday at 08:00") -> str:
    run = rr.finished(home)
    return bq("followups", "add", run.run_id, when, "--json").json["follow_up"]["series"]


def test_an_ended_run_can_be_followed_up(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """Added, accepted, and scheduled as a deployment with the series as its parameter."""
    series = _added(home, bq)
    found = bq("followups", "accept", series, "--json").json["follow_up"]
    made = prefect.deployments[f"follow-up/{series}"]
    assert (found["stands"], found["deployment"]) == ("scheduled", f"follow-up/{series}")
    assert made["schedules"] == [{"schedule": {"cron": "0 8 * * 1", "timezone": "UTC"}, "active": True}]
    assert made["parameters"]["series"] == series


def test_a_series_gets_one_schedule_however_often_it_is_made(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """A process that died after making it, and the recovery service beside it, find the one that is there."""
    series = _added(home, bq)
    bq("followups", "accept", series)
    journal = Journal.open(
        rr.SqlLedger(f"sqlite:///{home / 'ledger.db'}"), bq("followups", "--json").json["follow_ups"][0]["parent_run"]
    )
    found = journal.state.series_of(series)
    assert found is not None
    from bq_copilot.prefect_api import PrefectApi

    for _ in range(2):
        assert scheduling.ensure(PrefectApi(prefect.url), journal.state, found) == found.scheduled
    assert len([1 for method, path, _ in prefect.calls if (method, path) == ("POST", "/deployments/")]) == 1


def test_an_acceptance_stands_though_the_server_is_down(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """It is recorded; the recovery service makes the schedule later."""
    series = _added(home, bq)
    prefect.busy = 10_000
    said = bq("followups", "accept", series)
    assert said.code == 0 and "recovery service" in said.out
    assert bq("followups", "show", series, "--json").json["follow_up"]["stands"] == "accepted"


def test_a_stopped_series_is_paused_in_prefect(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """And is not listed any more, unless all are."""
    series = _added(home, bq)
    bq("followups", "accept", series)
    assert bq("followups", "stop", series, "--json").json["follow_up"]["stands"] == "stopped"
    assert prefect.bodies("/pause_deployment") == [{}]
    assert bq("followups", "--json").json == {"follow_ups": []}
    assert len(bq("followups", "--all", "--json").json["follow_ups"]) == 1


def test_words_that_do_not_say_when_are_refused(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """Nothing is recorded, and the message shows how to say it."""
    run = rr.finished(home)
    said = bq("followups", "add", run.run_id, "now and then", "--json")
    assert said.code == 3 and said.json["error"]["code"] == "when_unclear"
    assert "every Monday" in said.json["error"]["next"]


def test_an_unknown_series_names_the_list(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """A typing error is told, with what to do next."""
    rr.finished(home)
    assert "followups --all" in bq("followups", "show", "f-nothing", "--json").json["error"]["next"]


def test_the_documented_keys_of_followups_are_those_of_the_views(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """docs/follow-ups.md shows every key, and no other one."""
    text = next(t for name, t in BLOCK.findall(DOCS.read_text(encoding="utf-8")) if name == "followups")
    assert keys_of_value(json.loads(text)["follow_ups"]) == keys_of_type(SeriesView)
    series = _added(home, bq)
    assert set(bq("followups", "show", series, "--json").json) == set(SeriesHistoryView.__annotations__)


def test_prefect_understands_every_form_of_rhythm() -> None:
    """Cron, interval and a single time are schedules that Prefect's own types accept and compute from."""
    from prefect.client.schemas.schedules import SCHEDULE_TYPES
    from pydantic import TypeAdapter

    now = read("in 3 days", datetime(2026, 7, 1, tzinfo=UTC)).rhythm.at
    assert now is not None
    forms = [
        Rhythm(form="cron", cron="0 8 * * 1"),
        Rhythm(form="interval", seconds=4, at=now),
        Rhythm(form="once", at=now),
    ]
    for form in forms:
        assert TypeAdapter(SCHEDULE_TYPES).validate_python(scheduling.schedule_of(form)) is not None


def test_undo_puts_an_ended_run_back_to_take_back_what_it_scheduled(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """It says what is removed and what stays, and the flow run is queued once more."""
    series = _added(home, bq)
    bq("followups", "accept", series)
    parent, prefect.state = bq("followups", "--json").json["follow_ups"][0]["parent_run"], "COMPLETED"
    said = bq("undo", parent, "--reason", "asked by mistake")
    assert (said.code, said.out.split("\n")[0]) == (
        0,
        f"{parent} removes what it left: {series}. Its results stay readable.",
    )
    assert [b["state"]["type"] for b in prefect.bodies("/set_state")] == ["CRASHED", "SCHEDULED"]
    view = bq("show", parent, "--json").json
    assert (view["phase"], len(view["results"][0]["rows"])) == ("compensating", len(rr.ROWS))


def test_nothing_is_undone_of_a_run_that_left_nothing(home: Path, bq: Bq) -> None:
    """It is refused, with what stays readable."""
    found = bq("undo", rr.finished(home).run_id, "--json")
    assert (found.code, found.json["error"]["code"]) == (3, "nothing_to_undo")
    assert "stay readable" in found.json["error"]["next"]


def test_a_second_proposal_waits_for_a_word_on_the_first_and_leaves_nothing_behind(
    home: Path, bq: Bq, prefect: PrefectDouble
) -> None:
    """It is refused with the follow-up that is in the way; after a word on that one it has its own words."""
    run = rr.finished(home)
    first = bq("followups", "add", run.run_id, "every Monday", "--json").json["follow_up"]["series"]
    refused = bq("followups", "add", run.run_id, "daily", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "follow_up_waits")
    assert first in refused.json["error"]["next"]
    bq("followups", "decline", first)
    second = bq("followups", "add", run.run_id, "daily", "--json").json["follow_up"]
    assert second["rhythm"] != bq("followups", "show", first, "--json").json["follow_up"]["rhythm"]
