"""When a follow-up is due: once, at an interval, or by a cron line; until when; and only if how much has changed.

Decides what a model's or a person's words mean ("every Monday at 08:00 until 2027-06-30 if it changed by more than
5 %"); words that are not understood whole are refused, never guessed at. Reads no clock: the caller says what time it
is. Times are UTC. Why this shape: the person accepts the typed value, and the words are forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from pydantic import Field

from bq_copilot.errors import Refused
from bq_copilot.values import Value

EXAMPLES = "`every Monday at 08:00 until 2027-06-30 if it changed by more than 5 %`, `daily`, `in 3 days`, `0 8 * * 1`"

HOUR_OF_DAY = 9
"""The hour (UTC) of a follow-up whose words name none."""


class Rhythm(Value):
    """When something is due."""

    form: Literal["once", "interval", "cron"]
    at: datetime | None = None
    """For `once`: the moment. For `interval`: the moment that the intervals are counted from."""
    seconds: float = Field(default=0.0, ge=0)
    cron: str = ""

    @property
    def words(self) -> str:
        """Say it as the card does."""
        match self.form:
            case "once":
                return f"once, at {self.at:%Y-%m-%d %H:%M} UTC"
            case "interval":
                return f"every {_duration(self.seconds)}"
            case "cron":
                return f"by the cron line {self.cron} (UTC)"


class Wish(Value):
    """What a follow-up's words say."""

    rhythm: Rhythm
    until: datetime | None = None
    """The last moment at which it may be due; None: nobody said so."""
    percent: float | None = Field(default=None, ge=0)
    """Tell only of a change by more than this; None: tell every time."""


_CONDITION = re.compile(
    r",?\s*\b(?:(?:and|but)\s+)?(?:only\s+)?(?:tell\s+(?:me|us)\s+)?(?:only\s+)?(?:if|when)\s+[^,]*?"
    r"\bchang(?:es?|ed)\b[^,\d]*?(?P<percent>\d+(?:\.\d+)?)\s*(?:%|per\s?cent)"
)
_UNTIL = re.compile(r",?\s*\b(?:until|till)\s+(?P<day>\d{4}-\d{2}-\d{2})(?:[t ](?P<at>\d{2}:\d{2})(?:z|\s*utc)?)?")
_FOR = re.compile(r",?\s*\bfor\s+(?P<count>\d+)\s+(?P<unit>day|week|month|year)s?\b")
_AT = r"(?:\s+(?:at\s+)?(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>am|pm|utc|o'clock)?(?:\s*utc)?)?"
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0, "week": 604_800.0}
_SPANS = {"day": 1, "week": 7, "month": 30, "year": 365}
_CRON = re.compile(r"[\d*/,\-]+( [\d*/,\-a-z]+){4}", re.I)


def read(words: str, now: datetime) -> Wish:
    """Return what the words mean at `now`. Raises Refused (`when_unclear`) with examples."""
    left = " ".join(words.strip().strip(".").lower().split())
    condition = _CONDITION.search(left)
    left = _without(left, condition)
    until, left = _until(left, now)
    rhythm = _rhythm(left.strip(" ,"), now)
    if rhythm is None:
        raise Refused(
            f"When a follow-up is due is not clear from {words[:100]!r}.",
            code="when_unclear",
            next=f"Say it like {EXAMPLES}; times are UTC.",
        )
    return Wish(rhythm=rhythm, until=until, percent=float(condition["percent"]) if condition else None)


def _without(text: str, found: re.Match[str] | None) -> str:
    return text if found is None else (text[: found.start()] + " " + text[found.end() :]).strip()


def _until(text: str, now: datetime) -> tuple[datetime | None, str]:
    if found := _UNTIL.search(text):
        at = time.fromisoformat(found["at"]) if found["at"] else time(23, 59, 59)
        return datetime.combine(_day(found["day"]), at, UTC), _without(text, found)
    if found := _FOR.search(text):
        return now + timedelta(days=int(found["count"]) * _SPANS[found["unit"]]), _without(text, found)
    return None, text


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text} is no day.", code="when_unclear", next="Write it as YYYY-MM-DD.") from error


def _rhythm(text: str, now: datetime) -> Rhythm | None:
    if _CRON.fullmatch(text):
        return Rhythm(form="cron", cron=text)
    for pattern, make in _PATTERNS:
        if found := re.fullmatch(pattern, text):
            return make(found, now)
    return None


def _clock(found: re.Match[str]) -> tuple[int, int]:
    if not found["hour"]:
        return HOUR_OF_DAY, 0
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    hour = hour % 12 + 12 if found["half"] == "pm" else (hour % 12 if found["half"] == "am" else hour)
    if hour > 23 or minute > 59:
        raise Refused(f"{hour}:{minute:02} is no time of day.", code="when_unclear", next="Write it as HH:MM.")
    return hour, minute


def _cron(days: str) -> Callable[[re.Match[str], datetime], Rhythm]:
    def make(found: re.Match[str], now: datetime) -> Rhythm:
        hour, minute = _clock(found)
        return Rhythm(form="cron", cron=f"{minute} {hour} {days}")

    return make


def _weekday(found: re.Match[str], now: datetime) -> Rhythm:
    hour, minute = _clock(found)
    return Rhythm(form="cron", cron=f"{minute} {hour} * * {_DAYS.index(found['day'])}")


def _interval(found: re.Match[str], now: datetime) -> Rhythm | None:
    seconds = int(found["count"] or 1) * _UNITS[found["unit"]]
    return Rhythm(form="interval", seconds=seconds, at=now) if seconds else None


def _later(found: re.Match[str], now: datetime) -> Rhythm:
    seconds = int(found["count"] if found["count"].isdigit() else 1) * _UNITS.get(found["unit"], 30 * 86_400.0)
    return Rhythm(form="once", at=now + timedelta(seconds=seconds))


def _on_day(found: re.Match[str], now: datetime) -> Rhythm:
    hour, minute = _clock(found)
    day = now.date() + timedelta(days=1) if found["on"] == "tomorrow" else _day(found["on"])
    return Rhythm(form="once", at=datetime.combine(day, time(hour, minute), UTC))


def _next_weekday(found: re.Match[str], now: datetime) -> Rhythm:
    hour, minute = _clock(found)
    ahead = (_DAYS.index(found["day"]) - (now.isoweekday() % 7)) % 7 or 7
    return Rhythm(form="once", at=datetime.combine(now.date() + timedelta(days=ahead), time(hour, minute), UTC))


_EACH = r"(?:every|each|once an?|per)"
_PATTERNS: tuple[tuple[str, Callable[[re.Match[str], datetime], Rhythm | None]], ...] = (
    (rf"{_EACH} (?:(?P<count>\d+) )?(?P<unit>second|minute|hour)s?", _interval),
    (r"(?P<count>)(?P<unit>hour)ly", _interval),
    (rf"{_EACH} (?P<count>\d+) (?P<unit>day|week)s?", _interval),
    (rf"(?:daily|(?:{_EACH}|a) (?:day|morning)){_AT}", _cron("* * *")),
    (rf"{_EACH} (?:weekday|workday|working day){_AT}", _cron("* * 1-5")),
    (rf"(?:{_EACH}|on|weekly on) (?P<day>{'|'.join(_DAYS)})s?(?: morning)?{_AT}", _weekday),
    (rf"(?:weekly|{_EACH} week){_AT}", _cron("* * 1")),
    (
        rf"(?:monthly|{_EACH} month|{_EACH} first of the month|on the first of (?:every|each) month){_AT}",
        _cron("1 * *"),
    ),
    (rf"(?:quarterly|{_EACH} quarter){_AT}", _cron("1 1,4,7,10 *")),
    (rf"(?:yearly|annually|{_EACH} year){_AT}", _cron("1 1 *")),
    (r"(?:in|after) (?P<count>\d+|an?|one) (?P<unit>second|minute|hour|day|week|month)s?", _later),
    (r"(?P<count>next) (?P<unit>week|month)", _later),
    (rf"(?:on )?(?P<on>tomorrow|\d{{4}}-\d{{2}}-\d{{2}})(?:t| )?{_AT}", _on_day),
    (rf"next (?P<day>{'|'.join(_DAYS)}){_AT}", _next_weekday),
)


def _duration(seconds: float) -> str:
    for unit in ("week", "day", "hour", "minute"):
        count = seconds / _UNITS[unit]
        if count >= 1 and count == int(count):
            return unit if count == 1 else f"{int(count)} {unit}s"
    return f"{seconds:g} seconds"
