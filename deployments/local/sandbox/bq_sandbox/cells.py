"""Rows on the wire: Python values to BigQuery's `{"f": [{"v": ...}]}` form.

Decides the text of every value. BigQuery sends all scalars as strings, timestamps as microseconds when the caller
asks for `useInt64Timestamp` and as seconds in exponent form when not, bytes as base64 and nested values as rows.
A page's converters are made once from its fields: deciding by type for every cell again is most of a large page.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bq_sandbox.fields import Field, is_repeated, type_of

Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def wire_rows(rows: Iterable[dict[str, Any]], fields: list[Field], *, int64_timestamps: bool) -> list[dict[str, Any]]:
    """A page of rows in BigQuery's form."""
    convert = _record(fields, int64_timestamps)
    return [convert(row) for row in rows]


def _record(fields: list[Field], int64: bool) -> Convert:
    columns = [(f["name"], _converter(f, int64)) for f in fields]
    return lambda row: {"f": [{"v": convert(row[name])} for name, convert in columns]}


def _converter(field: Field, int64: bool) -> Convert:
    """One column's converter. A NULL array is an empty one, as in BigQuery's results."""
    kind = type_of(field)
    scalar = _record(field["fields"], int64) if kind == "RECORD" else _scalar(kind, int64)

    def one(value: Any) -> Any:
        return None if value is None else scalar(value)

    return (lambda items: [{"v": one(item)} for item in items or ()]) if is_repeated(field) else one


def _scalar(kind: str, int64: bool) -> Convert:
    match kind:
        case "BOOLEAN":
            return lambda value: "true" if value else "false"
        case "FLOAT":
            return _float
        case "TIMESTAMP":
            return _micros if int64 else _seconds
        case "DATETIME" | "DATE" | "TIME":
            return lambda value: value.isoformat()
        case "BYTES":
            return lambda value: base64.b64encode(value).decode("ascii")
        case "NUMERIC" | "BIGNUMERIC":
            return _decimal
        case _:
            return str


def _micros(value: datetime) -> str:
    return str((value - _EPOCH) // _MICROSECOND)


def _seconds(value: datetime) -> str:
    return f"{Decimal((value - _EPOCH) // _MICROSECOND) / 1_000_000:E}"


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
