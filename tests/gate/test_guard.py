"""L0: a child that is slow, dead or too big refuses one statement and is replaced."""

from __future__ import annotations

import os
import signal

import pytest

from bq_copilot.catalog import Catalog
from bq_copilot.gate.engines import GuardedGate, ZetaSqlEngine, open_gate
from bq_copilot.policy import Policy

SQL = "SELECT sku FROM `acme.shop.refunds`"


def child_of(gate: GuardedGate) -> int:
    pid = gate._pid  # pyright: ignore[reportPrivateUsage]
    assert pid
    return pid


def test_the_guarded_gate_gives_the_pure_gates_verdict(
    catalog: Catalog, policy: Policy, second: ZetaSqlEngine, gate: object
) -> None:
    """The process boundary changes nothing in a verdict, and one child serves many statements."""
    from bq_copilot.gate import Gate, Ruling

    assert isinstance(gate, Gate)
    with open_gate(catalog, policy) as guarded:
        first = guarded.rule(SQL)
        pid = child_of(guarded)
        denied = guarded.rule("SELECT email FROM `acme.shop.customers`")
        assert child_of(guarded) == pid
    assert first.model_copy(update={"engines": ()}) == gate.rule(SQL).model_copy(update={"engines": ()})
    assert denied.ruling is Ruling.DENY


def test_a_timeout_refuses_and_kills(catalog: Catalog, policy: Policy) -> None:
    """Analysis that does not end in time is ended, and the statement is denied."""
    with GuardedGate(catalog, policy) as guarded:
        guarded.start()
        pid = child_of(guarded)
        os.kill(pid, signal.SIGSTOP)
        guarded._seconds = 0.2  # pyright: ignore[reportPrivateUsage]
        verdict = guarded.rule(SQL)
        assert verdict.denied
        assert "too long" in verdict.findings[0].message
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_killed_child_is_replaced(catalog: Catalog, policy: Policy) -> None:
    """After a crash the next statement gets a new child and a real verdict."""
    with open_gate(catalog, policy) as guarded:
        guarded.start()
        dead = child_of(guarded)
        os.kill(dead, signal.SIGKILL)
        guarded.rule(SQL)
        assert not guarded.rule(SQL).denied
        assert child_of(guarded) != dead


def test_too_little_memory_refuses(catalog: Catalog, policy: Policy) -> None:
    """A child that runs out of memory means no, not an exception."""
    with GuardedGate(catalog, policy, memory_bytes=8 * 2**20) as guarded:
        assert guarded.rule(SQL).denied


@pytest.mark.parametrize("sql", ["SELECT '\ud800'", "SELECT " + "(" * 300 + "1" + ")" * 300, "SELECT '\x00'"])
def test_hostile_texts_are_denied_not_raised(catalog: Catalog, policy: Policy, sql: str) -> None:
    """Lone surrogates, deep nesting and NUL end in a denial."""
    with open_gate(catalog, policy) as guarded:
        assert guarded.rule(sql).denied
