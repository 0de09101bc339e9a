"""What the production doctor says of a ledger and of whoever looks after its runs: facts in, verdicts out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bq_copilot.ledger_facts import LedgerFacts, Runs, Watcher
from bq_copilot.version import __version__
from deployments.production import ledger, people, recovery
from deployments.verdicts import Severity

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_version": "17.2",
    "server_version_num": "170002",
}
SOUND = LedgerFacts("postgresql", NOW, NOW, "current", "0004", settings=SETTINGS)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def seen(seconds: float, version: str = __version__) -> Watcher:
    return Watcher("host-a/1234", version, ago(seconds))


@pytest.mark.parametrize(
    ("change", "severity", "word"),
    [
        ({}, "good", "0004"),
        ({"stands": "empty", "revision": ""}, "warning", "no ledger yet"),
        ({"stands": "older", "revision": "0002"}, "bad", "needs"),
        ({"stands": "newer", "revision": "0009"}, "warning", "writes"),
        ({"standby": True}, "bad", "standby"),
        ({"may_insert": False}, "bad", "may not insert"),
        ({"encrypted": False}, "warning", "not encrypted"),
    ],
)
def test_the_ledger_must_be_there_current_and_writable(change: dict[str, Any], severity: str, word: str) -> None:
    """Each state of the database has its own sentence and remedy."""
    verdict = ledger.tables(replace(SOUND, **change), "postgresql://u:***@h/l")
    assert verdict.severity == severity and word in verdict.found
    assert bool(verdict.mend) is (severity != "good")


@pytest.mark.parametrize(
    ("setting", "value", "severity"),
    [
        ("fsync", "on", "good"),
        ("fsync", "off", "bad"),
        ("full_page_writes", "off", "bad"),
        ("synchronous_commit", "off", "bad"),
        ("synchronous_commit", "local", "good"),
        ("server_version_num", "130001", "warning"),
    ],
)
def test_a_commit_must_survive_a_crash(setting: str, value: str, severity: str) -> None:
    """The settings that give durability away are wrong; an old PostgreSQL is told."""
    assert ledger.durability(replace(SOUND, settings=SETTINGS | {setting: value})).severity == severity


def test_a_file_is_a_ledger_of_one_machine() -> None:
    """SQLite is durable, and told."""
    verdict = ledger.durability(replace(SOUND, dialect="sqlite", settings={}))
    assert verdict.severity is Severity.WARNING and "PostgreSQL" in verdict.mend


@pytest.mark.parametrize(
    ("here", "server", "severity"), [(0.2, 0.9, "good"), (30, 0, "warning"), (0, 30, "warning"), (0, -30, "warning")]
)
def test_clocks_that_disagree_are_told(here: float, server: float, severity: str) -> None:
    """This machine's and the server's are each compared with the ledger's."""
    assert ledger.clocks(replace(SOUND, here=ago(here)), ago(server)).severity == severity
    assert ledger.clocks(SOUND, None).severity is Severity.GOOD


def test_parked_runs_lasting_cancels_and_open_circuits_are_told() -> None:
    """What waits for an operator, with the command that lists it."""
    parked = replace(SOUND, phases={"parked": Runs(2, ago(9))})
    assert (ledger.runs(parked).found[:8], ledger.runs(parked).mend) == ("2 parked", "bq-copilot runs --phase parked")
    cancelling = replace(SOUND, phases={"cancelling": Runs(1, ago(700))})
    assert ledger.runs(cancelling).severity is Severity.WARNING
    assert ledger.runs(replace(SOUND, phases={"cancelling": Runs(1, ago(5))})).severity is Severity.GOOD
    assert ledger.circuits(replace(SOUND, circuits={"model": ago(-9)})).severity is Severity.WARNING
    assert ledger.circuits(replace(SOUND, circuits={"model": ago(9)})).severity is Severity.GOOD


@pytest.mark.parametrize(
    ("watchers", "scheduled", "severity"),
    [
        ((seen(10),), False, "good"),
        ((seen(300),), False, "bad"),
        ((), False, "bad"),
        ((seen(300),), True, "good"),
        ((seen(3000),), True, "bad"),
        ((seen(10, "0.0.9"),), False, "warning"),
    ],
)
def test_somebody_must_look_after_dead_processes(watchers: Any, scheduled: bool, severity: str) -> None:
    """A fresh sign of life, or an older one where `recover` has a schedule."""
    verdict = recovery.recovery(replace(SOUND, watchers=watchers), scheduled)
    assert verdict.severity == severity and ("host-a" in verdict.found or not watchers)


def test_a_service_that_lives_and_does_nothing_is_wrong() -> None:
    """An expired request that is still open, or a dead run that nobody took, says more than a sign of life."""
    open_still = replace(SOUND, watchers=(seen(1),), phases={"awaiting_approval": Runs(1, ago(9), ago(600))})
    assert recovery.recovery(open_still, False).severity is Severity.BAD
    left = replace(SOUND, watchers=(seen(1),), lease_over=ago(600))
    assert "taken over" in recovery.recovery(left, False).found
    fresh = replace(SOUND, watchers=(seen(1),), lease_over=ago(5), phases={"awaiting_answer": Runs(1, NOW, ago(-60))})
    assert recovery.recovery(fresh, False).severity is Severity.GOOD


def test_a_schedule_counts_when_it_is_active() -> None:
    """A paused deployment, an inactive schedule or none start nothing."""
    assert recovery.is_scheduled({"schedules": [{"active": True}]})
    off = {"schedules": [{"active": False}]}, {"paused": True, "schedules": [{"active": True}]}
    assert not any(recovery.is_scheduled(other) for other in (None, {"schedules": []}, *off))


def test_heads_should_be_signed_with_the_key_that_is_expected() -> None:
    """No run yet, no signature, another key, the right one."""
    some = replace(SOUND, phases={"completed": Runs(1, NOW)})
    assert people.signing(SOUND, "").severity is Severity.SKIPPED
    assert "keys create" in people.signing(some, "").mend
    assert people.signing(replace(some, signed_with="ed25519:a"), "ed25519:b").severity is Severity.WARNING
    assert people.signing(replace(some, signed_with="ed25519:a"), "ed25519:a").severity is Severity.GOOD
