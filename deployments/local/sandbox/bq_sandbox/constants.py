"""Dates that a statement spells out: the constant expressions by which partitions are pruned.

Decides which expressions count as known before running: literals, CURRENT_DATE and the like, and date arithmetic
over those. Anything else answers None, and a predicate on None prunes nothing, so the estimate errs upwards.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

from sqlglot import exp

Moment = date | datetime


def moment(node: exp.Expression | None) -> Moment | None:
    """The date or UTC time that an expression stands for, or None."""
    match node:
        case exp.Paren() | exp.Cast() | exp.TsOrDsToDate() | exp.Timestamp():
            return _as_kind(moment(node.this), node)
        case exp.Date():
            return _date_call(node)
        case exp.Literal(is_string=True):
            return _parse(node.name)
        case exp.CurrentDate():
            return datetime.now(UTC).date()
        case exp.CurrentTimestamp() | exp.CurrentDatetime():
            return datetime.now(UTC).replace(tzinfo=None)
        case exp.DateAdd() | exp.TimestampAdd() | exp.DatetimeAdd():
            return _shift(node, 1)
        case exp.DateSub() | exp.TimestampSub() | exp.DatetimeSub():
            return _shift(node, -1)
        case exp.DateTrunc() | exp.TimestampTrunc() | exp.DatetimeTrunc():
            return _truncate(moment(node.this), _unit(node))
        case exp.LastDay():
            day = moment(node.this)
            return day and date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])
        case _:
            return None


def _parse(text: str) -> Moment | None:
    try:
        if len(text) <= 10:
            return date.fromisoformat(text)
        parsed = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed


def _as_kind(value: Moment | None, node: exp.Expression) -> Moment | None:
    if isinstance(node, exp.Cast) and node.to.this is exp.DataType.Type.DATE and isinstance(value, datetime):
        return value.date()
    return value


def _date_call(node: exp.Date) -> date | None:
    parts = [node.this, *node.expressions, node.args.get("zone")]
    numbers = [p for p in parts if isinstance(p, exp.Literal) and not p.is_string]
    if len(numbers) == 3:
        year, month, day = (int(n.name) for n in numbers)
        return date(year, month, day)
    value = moment(node.this)
    return value.date() if isinstance(value, datetime) else value


def _unit(node: exp.Expression) -> str:
    unit = node.args.get("unit")
    return unit.name.upper() if unit is not None else "DAY"


def _shift(node: exp.Expression, sign: int) -> Moment | None:
    start, amount = moment(node.this), node.args.get("expression")
    unit = _unit(node)
    if isinstance(amount, exp.Interval):
        unit = amount.args["unit"].name.upper() if amount.args.get("unit") else unit
        amount = amount.this
    while isinstance(amount, exp.Paren | exp.Cast):
        amount = amount.this
    try:
        count = sign * int(amount.name) if isinstance(amount, exp.Literal) else None
    except ValueError:
        count = None
    if start is None or count is None:
        return None
    return add_units(start, count, unit)


def add_units(start: Moment, count: int, unit: str) -> Moment | None:
    """Calendar arithmetic: months clip to the last day, as BigQuery's DATE_ADD does."""
    days = {"DAY": 1, "WEEK": 7}
    if unit in days:
        return start + timedelta(days=count * days[unit])
    if unit in {"HOUR", "MINUTE", "SECOND"} and isinstance(start, datetime):
        return start + timedelta(**{f"{unit.lower()}s": count})
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
    if unit not in months:
        return None
    year, month0 = divmod(start.year * 12 + start.month - 1 + count * months[unit], 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    return start.replace(year=year, month=month0 + 1, day=min(start.day, last))


def _truncate(value: Moment | None, unit: str) -> Moment | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        value = value.replace(hour=0, minute=0, second=0, microsecond=0)
    firsts = {"DAY": {}, "MONTH": {"day": 1}, "YEAR": {"month": 1, "day": 1}}
    if unit in firsts:
        return value.replace(**firsts[unit])
    if unit == "QUARTER":
        return value.replace(month=(value.month - 1) // 3 * 3 + 1, day=1)
    if unit in {"ISOWEEK", "MONDAY"}:
        return value - timedelta(days=value.weekday())
    return value - timedelta(days=(value.weekday() + 1) % 7) if unit == "WEEK" else None
