"""What a `Retry-After` header asks for, in seconds. Pure; what cannot be read asks for nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_of(header: str | None, sent: str | None = None) -> float | None:
    """Return the seconds to wait, from a number or from an HTTP date; None when the other side did not say.

    A date counts from the answer's own `Date` header, `sent`: two times of one clock, and not of ours.
    """
    text = (header or "").strip()
    if text.replace(".", "", 1).isdigit():
        return float(text)
    until, since = _moment(text), _moment((sent or "").strip())
    return None if until is None or since is None else max(0.0, (until - since).total_seconds())


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
