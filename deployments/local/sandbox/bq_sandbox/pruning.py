"""Which partitions a query has to read, from the constant predicates on the partitioning column.

Decides with AND-ed comparisons only. A predicate that is not understood keeps every partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

from sqlglot import exp

from bq_sandbox.catalog import TableEntry
from bq_sandbox.constants import Moment, add_units, moment

Days = tuple[date, date]
Test = Callable[[Days], bool]

_FLIPPED: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.EQ: exp.EQ,
}


def partitions_read(entry: TableEntry, alias: str, predicates: list[exp.Expression]) -> list[str]:
    """Keys of the partitions that may hold matching rows."""
    keys = list(entry.sizes.partitions)
    if entry.partition_field is None:
        return keys
    tests = [
        test
        for predicate in predicates
        for part in conjuncts(predicate)
        if (test := _test(part, entry.partition_field, alias)) is not None
    ]
    if not tests:
        return keys
    spans = {key: _span(key, entry.partition_unit) for key in keys if key[:1].isdigit()}
    return [key for key, span in spans.items() if all(test(span) for test in tests)]


def conjuncts(node: exp.Expression) -> Iterator[exp.Expression]:
    """The parts of an AND, flattened."""
    if isinstance(node, exp.Paren):
        yield from conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from conjuncts(node.left)
        yield from conjuncts(node.right)
    else:
        yield node


def _span(key: str, unit: str) -> Days:
    first = date.fromisoformat(key)
    following = add_units(first, 1, unit)
    assert following is not None
    return first, _day(following) - timedelta(days=1)


def _day(value: Moment) -> date:
    return value.date() if isinstance(value, datetime) else value


def _test(node: exp.Expression, column: str, alias: str) -> Test | None:
    if isinstance(node, exp.Between) and _is_column(node.this, column, alias):
        low, high = moment(node.args["low"]), moment(node.args["high"])
        tests = [t for t in (_compare(exp.GTE, low), _compare(exp.LTE, high)) if t is not None]
        return (lambda span: all(t(span) for t in tests)) if tests else None
    if isinstance(node, exp.In) and _is_column(node.this, column, alias) and node.expressions:
        options = [_compare(exp.EQ, moment(item)) for item in node.expressions]
        known = [option for option in options if option is not None]
        return (lambda span: any(o(span) for o in known)) if len(known) == len(options) else None
    if type(node) in _FLIPPED and isinstance(node, exp.Binary):
        if _is_column(node.left, column, alias):
            return _compare(type(node), moment(node.right))
        if _is_column(node.right, column, alias):
            return _compare(_FLIPPED[type(node)], moment(node.left))
    return None


def _is_column(node: exp.Expression, column: str, alias: str) -> bool:
    if isinstance(node, exp.Cast | exp.Date | exp.TsOrDsToDate):
        node = node.this
    if not isinstance(node, exp.Column) or node.name.lower() != column.lower():
        return False
    return not node.table or node.table.lower() == alias.lower()


def _compare(operator: type[exp.Expression], value: Moment | None) -> Test | None:
    if value is None:
        return None
    day = _day(value)
    within_day = isinstance(value, datetime)
    midnight = not within_day or value.time() == datetime.min.time()
    if operator is exp.LT:
        return lambda span: span[0] < day or (not midnight and span[0] == day)
    if operator is exp.LTE:
        return lambda span: span[0] <= day
    if operator is exp.GT:
        return lambda span: span[1] > day or (within_day and span[1] == day)
    if operator is exp.GTE:
        return lambda span: span[1] >= day
    return lambda span: span[0] <= day <= span[1]
