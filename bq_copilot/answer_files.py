"""A stored result as a file for other programs: CSV and Parquet.

Decides how a BigQuery type becomes a column of the file. What is written is the stored page, which opens after the
warehouse's own result has expired; that it is cut is said by whoever calls, and never hidden.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from bq_copilot.values import ResultColumn

Rows = Sequence[Sequence[Any]]


def csv_bytes(columns: Sequence[ResultColumn], rows: Rows) -> bytes:
    """Return RFC 4180 CSV in UTF-8 with a header; NULL is an empty field."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow([c.name for c in columns])
    out.writerows([[_field(v) for v in row] for row in rows])
    return text.getvalue().encode("utf-8")


def _field(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return value


def parquet_bytes(columns: Sequence[ResultColumn], rows: Rows) -> bytes:
    """Return Parquet with one typed column for each column of the result."""
    import pyarrow as pa  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - loads slowly, wanted only here
    import pyarrow.parquet as pq  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - see above

    arrow: Any = pa
    arrays = [_array(arrow, c.type, [row[i] for row in rows]) for i, c in enumerate(columns)]
    out: Any = io.BytesIO()
    parquet: Any = pq
    parquet.write_table(arrow.Table.from_arrays(arrays, names=[c.name for c in columns]), out)
    return out.getvalue()


def _array(arrow: Any, kind: str, values: list[Any]) -> Any:
    """Return a typed column; a value that does not fit its type leaves the whole column as text."""
    wanted = {
        "INTEGER": arrow.int64(),
        "INT64": arrow.int64(),
        "FLOAT": arrow.float64(),
        "FLOAT64": arrow.float64(),
        "BOOLEAN": arrow.bool_(),
        "BOOL": arrow.bool_(),
        "NUMERIC": arrow.decimal128(38, 9),
        "DATE": arrow.date32(),
        "TIMESTAMP": arrow.timestamp("us", tz="UTC"),
        "DATETIME": arrow.timestamp("us"),
    }.get(kind)
    texts = arrow.array([None if v is None else str(_field(v)) for v in values], arrow.string())
    if wanted is None:
        return texts
    try:
        return arrow.array(values, wanted) if _is_native(values) and kind != "NUMERIC" else texts.cast(wanted)
    except arrow.ArrowException:
        return texts


def _is_native(values: list[Any]) -> bool:
    return not any(isinstance(v, str) for v in values)
