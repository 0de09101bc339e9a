"""What a `Retry-After` header asks for, in seconds. Pure; what cannot be read asks for nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_of(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds to wait, from a number or from an HTTP date; None when the other side did not say."""
    text = (header or "").strip()
    if text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
