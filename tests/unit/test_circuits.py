"""When nobody asks a provider any more, for how long, and who tries first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bq_copilot.circuits import FIRST_SECONDS, LONGEST_SECONDS, OPEN_AFTER, Circuit, admits, closed, failed
from bq_copilot.retry_after import seconds_of

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)


def after(failures: int) -> Circuit:
    """Return the circuit after so many failures in a row."""
    circuit = Circuit("model")
    for _ in range(failures):
        circuit = failed(circuit, NOW)
    return circuit


def test_it_opens_after_enough_failures_in_a_row() -> None:
    """One less, and it is closed; a success in between starts the count anew."""
    assert admits(after(OPEN_AFTER - 1), NOW)[0]
    assert not admits(after(OPEN_AFTER), NOW)[0]
    assert admits(failed(closed(after(OPEN_AFTER - 1)), NOW), NOW)[0]


def test_only_one_may_try_first() -> None:
    """When its time is over the first one is let through, and keeps the others away until it knows."""
    late = NOW + timedelta(seconds=FIRST_SECONDS)
    may, probed = admits(after(OPEN_AFTER), late)
    assert may
    assert not admits(probed, late)[0]


def test_it_stays_open_longer_each_time_a_try_fails_up_to_a_bound() -> None:
    """The pause doubles."""
    seconds = [(c.open_until - NOW).total_seconds() for n in range(6) if (c := after(OPEN_AFTER + n)).open_until]
    assert seconds == [FIRST_SECONDS, 20, 40, 80, LONGEST_SECONDS, LONGEST_SECONDS]


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    """What cannot be read asks for nothing."""
    assert seconds_of("2.5") == 2.5
    assert seconds_of("Wed, 01 Jul 2026 09:01:00 GMT", "Wed, 01 Jul 2026 09:00:00 GMT") == 60
    assert [seconds_of(text) for text in ("soon", "", None, "-3")] == [None] * 4
