"""Finds time in a question: windows, their comparison partners, and the grain of a series.

Decides which days a phrase means, given an anchor day (the first day that is not in the data, or today). A window is
half open: `start <= day < end`. Never reads a clock. "Last quarter" is the last complete calendar quarter before
the anchor; "last 12 months" are the twelve complete months before it and "last 2 years" the
twenty-four; "last 30 days" end the day before it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from deployments.local.offline_model.words import number

_MONTH_NAMES = (
    "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|october oct|"
    "november nov|december dec"
)
MONTHS = {name: n for n, names in enumerate(_MONTH_NAMES.split("|"), 1) for name in names.split()}
_MONTH = "(?:" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b\.?"
_ORDINAL = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
SAME = "same"
"""Unit of a window that repeats another one's place in the year."""
_ISO = r"\d{4}-\d{2}-\d{2}"
_NUM = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_UNIT = r"(?:day|week|month|quarter|year)"


@dataclass(frozen=True)
class Window:
    """A span of days with the words it came from; `unit` is the calendar unit it consists of."""

    start: date | None
    end: date | None
    unit: str
    span: tuple[int, int]
    relative: bool = False
    label: str = ""

    def shifted(self, unit: str, count: int) -> "Window":
        """The same window `count` units earlier."""
        start = None if self.start is None else shift(self.start, unit, -count)
        end = None if self.end is None else shift(self.end, unit, -count)
        return replace(self, start=start, end=end, label="")

    def previous(self) -> "Window":
        """The window of the same length directly before this one."""
        if self.start is None or self.end is None:
            return self
        months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
        if self.start.day == self.end.day == 1 and months > 0:
            return self.shifted("month", months)
        return self.shifted("day", (self.end - self.start).days)

    @property
    def days(self) -> int | None:
        return (self.end - self.start).days if self.start and self.end else None

    def name(self) -> str:
        """A short name fit for a column or a sentence: `2026_q1`, `2025_09`, `2025`, else the first day."""
        if self.start is None or self.end is None:
            return f"since_{self.start:%Y_%m_%d}" if self.start else f"until_{self.end:%Y_%m_%d}"
        months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
        if self.start.day != 1 or self.end.day != 1:
            return f"{self.start:%Y_%m_%d}_{self.end - timedelta(days=1):%m_%d}"
        if months == 12 and self.start.month == 1:
            return f"{self.start:%Y}"
        if months == 3 and self.start.month % 3 == 1:
            return f"{self.start:%Y}_q{(self.start.month + 2) // 3}"
        if months == 1:
            return f"{self.start:%Y_%m}"
        return f"{self.start:%Y_%m}_to_{self.end - timedelta(days=1):%Y_%m}"


def shift(day: date, unit: str, count: int) -> date:
    """The day `count` units later (negative: earlier); month ends are clamped."""
    if unit in ("day", "week"):
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    months = count * {"month": 1, "quarter": 3, "year": 12}[unit]
    total = day.year * 12 + day.month - 1 + months
    year, month = divmod(total, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def floor(day: date, unit: str) -> date:
    """The first day of the unit that contains the day; weeks start on Monday."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return date(day.year, 1, 1) if unit == "year" else day


def find_windows(text: str, anchor: date) -> tuple[Window, ...]:
    """Every window in the text, in order of appearance; where patterns overlap, the earlier and longer wins."""
    low = text.lower()
    found: list[Window] = []
    for pattern, build in _PATTERNS:
        for match in pattern.finditer(low):
            if any(match.start() < w.span[1] and w.span[0] < match.end() for w in found):
                continue
            window = build(match, anchor)
            if window is not None:
                found.append(replace(window, span=match.span(), label=match.group().strip()))
    return tuple(sorted(_resolved(found), key=lambda w: w.span))


def _unit_window(start: date, unit: str, relative: bool = False) -> Window:
    return Window(start, shift(start, unit, 1), unit, (0, 0), relative)


def _month_number(text: str) -> int:
    return MONTHS[text.strip(". ")]


def _latest(month: int, anchor: date) -> date:
    """The first day of the latest such month that began before the anchor."""
    start = date(anchor.year, month, 1)
    return start if start < anchor else date(anchor.year - 1, month, 1)


def _month(m: re.Match[str], anchor: date) -> Window | None:
    if m["m"] in ("may", "mar", "march", "sep", "dec", "jan") and not m["y"] and not m["p"]:
        return None
    month = _month_number(m["m"])
    return _unit_window(date(int(m["y"]), month, 1) if m["y"] else _latest(month, anchor), "month")


def _month_of_year(m: re.Match[str], anchor: date) -> Window:
    year = (anchor - timedelta(days=1)).year - (m["r"] != "this")
    return _unit_window(date(year, _month_number(m["m"]), 1), "month")


def _month_range(m: re.Match[str], anchor: date) -> Window:
    last_month, first_month = _month_number(m["m2"]), _month_number(m["m1"])
    last = date(int(m["y2"]), last_month, 1) if m["y2"] else _latest(last_month, anchor)
    year = int(m["y1"]) if m["y1"] else last.year - (first_month > last_month)
    return Window(date(year, first_month, 1), shift(last, "month", 1), "month", (0, 0))


def _quarter(m: re.Match[str], anchor: date) -> Window:
    groups = m.groupdict()
    quarter = int(groups["q"]) if groups["q"].isdigit() else _ORDINAL[groups["q"]]
    year = groups.get("y") or groups.get("y0")
    start = date(int(year), quarter * 3 - 2, 1) if year else _latest(quarter * 3 - 2, anchor)
    return _unit_window(start, "quarter")


def _quarter_range(m: re.Match[str], anchor: date) -> Window:
    start = date(int(m["y1"] or m["y2"]), int(m["q1"]) * 3 - 2, 1)
    return Window(start, shift(date(int(m["y2"]), int(m["q2"]) * 3 - 2, 1), "quarter", 1), "quarter", (0, 0))


def _half(m: re.Match[str], anchor: date) -> Window:
    half = int(m["h"]) if m["h"].isdigit() else _ORDINAL[m["h"]]
    year = int(m["y"]) if m["y"] else _latest(half * 6 - 5, anchor).year
    start = date(year, half * 6 - 5, 1)
    return Window(start, shift(start, "month", 6), "month", (0, 0))


def _part_of_year(m: re.Match[str], anchor: date) -> Window:
    """The first, or the last, so many weeks, months or quarters of a year."""
    count, unit, year = number(m["n"]) or 1, m["u"], int(m["y"])
    if m["e"] in ("first", "opening"):
        start = date(year, 1, 1)
        return Window(start, shift(start, unit, count), "month", (0, 0))
    end = date(year + 1, 1, 1)
    return Window(shift(end, unit, -count), end, "month", (0, 0))


def _same_in_year(m: re.Match[str], anchor: date) -> Window:
    """`the same months of 2025`: `find_windows` gives it the place in the year of the window beside it."""
    return Window(None, date(int(m["y"]), 1, 1), SAME, (0, 0))


def _resolved(found: list[Window]) -> list[Window]:
    """The windows that say `the same` with the months of the nearest window that names some."""
    named = [w for w in found if w.unit != SAME]
    out: list[Window] = []
    for window in found:
        if window.unit != SAME or window.end is None:
            out.append(window)
            continue
        model = next((w for w in named if w.start and w.end), None)
        if model is None or model.start is None:
            out.append(_unit_window(window.end, "year"))
            continue
        years = model.start.year - window.end.year
        out.append(replace(model.shifted("year", years), span=window.span, label=window.label))
    return out


def _season(m: re.Match[str], anchor: date) -> Window:
    month = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}[m["s"]]
    start = date(int(m["y"]), month, 1) if m["y"] else _latest(month, anchor)
    return Window(start, shift(start, "month", 3), "month", (0, 0))


def _iso_range(m: re.Match[str], anchor: date) -> Window | None:
    return _days(m["d1"], m["d2"])


def _days(first: str, last: str) -> Window | None:
    try:
        return Window(date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1), "day", (0, 0))
    except ValueError:
        return None


def _iso_week(m: re.Match[str], anchor: date) -> Window | None:
    window = _days(m["d"], m["d"])
    return window and _unit_window(floor(window.start or anchor, "week"), "week")


def _iso_day(m: re.Match[str], anchor: date) -> Window | None:
    return _days(m["d"], m["d"])


def _iso_month(m: re.Match[str], anchor: date) -> Window | None:
    month = int(m["m"])
    return _unit_window(date(int(m["y"]), month, 1), "month") if 1 <= month <= 12 else None


def _long_day(m: re.Match[str], anchor: date) -> Window | None:
    groups = m.groupdict()
    month = _month_number(groups["m"])
    year = int(groups["y"]) if groups.get("y") else _latest(month, anchor).year
    return _days(f"{year}-{month:02}-{int(groups['d']):02}", f"{year}-{month:02}-{int(groups['d']):02}")


def _long_range(m: re.Match[str], anchor: date) -> Window | None:
    month2 = _month_number(m["m2"] or m["m1"])
    month1 = _month_number(m["m1"])
    year = int(m["y"]) if m["y"] else _latest(month2, anchor).year
    return _days(f"{year}-{month1:02}-{int(m['d1']):02}", f"{year}-{month2:02}-{int(m['d2']):02}")


def _years(m: re.Match[str], anchor: date) -> Window:
    return Window(date(int(m["y1"]), 1, 1), date(int(m["y2"]) + 1, 1, 1), "year", (0, 0))


def _year(m: re.Match[str], anchor: date) -> Window:
    return _unit_window(date(int(m["y"]), 1, 1), "year")


def _last_n(m: re.Match[str], anchor: date) -> Window:
    unit, count = m["u"], number(m["n"]) or 1
    if unit == "year":
        unit, count = "month", 12 * count
    end = anchor if unit == "day" else floor(anchor, unit)
    return Window(shift(end, unit, -count), end, unit, (0, 0), relative=True)


def _last(m: re.Match[str], anchor: date) -> Window:
    end = floor(anchor, m["u"])
    return Window(shift(end, m["u"], -1), end, m["u"], (0, 0), relative=True)


def _current(m: re.Match[str], anchor: date) -> Window:
    day = anchor - timedelta(days=1)
    return Window(floor(day, m["u"]), anchor, m["u"], (0, 0), relative=True)


def _to_date(m: re.Match[str], anchor: date) -> Window:
    unit = {"y": "year", "q": "quarter", "m": "month"}.get(m["u"][0], "year")
    return Window(floor(anchor - timedelta(days=1), unit), anchor, unit, (0, 0), relative=True)


def _day_word(m: re.Match[str], anchor: date) -> Window:
    day = anchor - timedelta(days=1) if m["w"] == "yesterday" else anchor
    return Window(day, day + timedelta(days=1), "day", (0, 0), relative=True)


def _open(m: re.Match[str], anchor: date) -> Window | None:
    """`since X`, `after X`, `before X`, `until X`: one end of the inner window."""
    inner = find_windows(m["rest"], anchor)
    if not inner or inner[0].span[0] > 4:
        return None
    word, first = m["w"], inner[0]
    if word in ("since", "starting", "starting in", "starting from", "from"):
        return Window(first.start, anchor, first.unit, (0, 0))
    if word == "after":
        return Window(first.end, None, first.unit, (0, 0))
    return Window(None, first.start if word in ("before", "prior to") else first.end, first.unit, (0, 0))


def _to_date_or_year(m: re.Match[str], anchor: date) -> Window:
    if m["u"] is None:
        return Window(floor(anchor - timedelta(days=1), "year"), anchor, "year", (0, 0), relative=True)
    return _to_date(m, anchor)


_YEAR = r"(?P<y>20\d\d)"
_RULES: tuple[tuple[str, Callable[[re.Match[str], date], Window | None]], ...] = (
    ((
rf"\b(?:between|from)?\s*\b(?P<d1>{_ISO})\s*(?:and|to|until|till|"
rf"through|-|\u2013)\s*(?P<d2>{_ISO})"
), _iso_range),
    (rf"\bweek (?:of|starting|beginning)(?: on)? (?P<d>{_ISO})", _iso_week),
    (rf"\b(?:between|from)?\s*(?P<m1>{_MONTH})\s+(?P<d1>\d{{1,2}})(?:st|"
rf"nd|rd|th)?\s*(?:and|to|-|\u2013|through|until)\s*"
     rf"(?P<m2>{_MONTH})?\s*(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d)(?:,?\s+(?P<y>20\d\d))?", _long_range),
    (rf"\b(?:between|from)\s+(?P<m1>{_MONTH})\s*(?P<y1>20\d\d)?\s*(?:and|to|until|till|through)\s+"
     rf"(?P<m2>{_MONTH})\s*(?P<y2>20\d\d)?", _month_range),
    ((
rf"\b(?P<m1>{_MONTH})\s*(?P<y1>20\d\d)?\s*(?:to|until|till|through|"
rf"-|\u2013)\s*(?P<m2>{_MONTH})\s*(?P<y2>20\d\d)?"
),
     _month_range),
    (r"\b(?:between|from)\s+q(?P<q1>[1-4])\s*(?P<y1>20\d\d)?\s*(?:and|to|until|through)\s+q(?P<q2>[1-4])\s*"
     r"(?P<y2>20\d\d)", _quarter_range),
    (r"\b(?:between|from)\s+(?P<y1>20\d\d)\s*(?:and|to|until|through)\s+(?P<y2>20\d\d)\b(?!-)", _years),
    (rf"\b(?P<w>since|after|before|prior to|until|up to|starting in|starting from|starting)\s+"
     rf"(?P<rest>(?:the |start of |end of )?(?:{_ISO}|20\d\d-\d\d|{_MONTH}(?:\s*20\d\d)?|"
rf"q[1-4]\s*(?:20\d\d)?|20\d\d))",
     _open),
    ((
rf"\b(?:in |during |around )?(?P<m>{_MONTH})(?: of)?,? (?P<r>last|"
rf"this|previous) year\b"
), _month_of_year),
    (rf"\b(?P<d>{_ISO})", _iso_day),
    (rf"\b(?P<m>{_MONTH})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>20\d\d)", _long_day),
    (rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)?\s+(?P<m>{_MONTH})(?:,?\s+(?P<y>20\d\d))?", _long_day),
    (r"\bq(?P<q>[1-4])(?:\s+of)?[\s/-]*(?P<y>20\d\d)?\b", _quarter),
    (r"\b(?P<y0>20\d\d)[\s/-]*q(?P<q>[1-4])\b", _quarter),
    ((
r"\b(?:the )?(?P<q>first|second|third|fourth|1st|2nd|3rd|4th) "
r"quarter(?:(?: of|,)?\s*(?P<y>20\d\d))?"
), _quarter),
    (r"\bh(?P<h>[12])(?:\s+of)?[\s/-]*(?P<y>20\d\d)?\b", _half),
    (r"\b(?:the )?(?P<h>first|second|1st|2nd) half(?:(?: of|,)?\s*(?P<y>20\d\d))?", _half),
    (rf"\b(?P<s>spring|summer|autumn|fall|winter)(?: of)?\s+{_YEAR}", _season),
    (rf"\b(?:the )?(?P<e>first|last|final|opening|closing) (?P<n>{_NUM}) (?P<u>week|month|quarter)s (?:of"
     rf"|in) (?P<y>20\d\d)\b",
     _part_of_year),
    (r"\b(?:the )?(?:same|corresponding) (?:months?|period|weeks?|quarters?|time|span|days?)(?: (?:of"
     r"|in))? (?P<y>20\d\d)\b",
     _same_in_year),
    (r"\b(?P<y>20\d\d)-(?P<m>\d\d)\b(?!-)", _iso_month),
    ((
rf"\b(?:(?P<p>month|in|during|for|of|and|to|vs|versus|with)\s+)?(?:the "
rf"month of\s+)?(?P<m>{_MONTH})(?:\s*(?:of)?,?\s+(?P<y>20\d\d))?\b"
), _month),
    (rf"\b(?:the |over the |in the |for the )?(?:last|past|previous|"
rf"trailing|recent|most recent) (?P<n>{_NUM}) "
     rf"(?:full |complete |calendar )?(?P<u>{_UNIT})s?\b", _last_n),
    ((
rf"\b(?:the )?(?:last|past|previous)(?: full| complete| calendar)? "
rf"(?P<u>{_UNIT})\b(?:'s|\u2019s)?(?! of)"
), _last),
    (rf"\b(?:this|the current|current) (?P<u>{_UNIT})\b(?: so far| to date)?", _current),
    (r"\b(?P<u>year|quarter|month)[ -]to[ -]date\b|\bytd\b", _to_date_or_year),
    (r"\b(?P<w>yesterday|today)\b", _day_word),
    (r"\b(?:in|during|for|of|year|full year|calendar year)?\s*\b(?P<y>20\d\d)\b", _year),
)  # fmt: skip


_PATTERNS = tuple((re.compile(p), build) for p, build in _RULES)
