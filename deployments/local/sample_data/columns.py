"""Arrow columns from whole-number columns.

Decides: the one way cents become dollars, day numbers become dates and positions become words. Never does:
know a table. Why this shape: the schema of the table definition is applied last, in `named`, so a column
that does not fit its definition stops the run instead of reaching a file.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from deployments.local.sample_data.demand import EPOCH_DAY_ZERO, Bools, Ints
from deployments.local.sample_data.tables import arrow_schema


def named(table: str, *columns: pa.Array) -> pa.Table:
    """The columns under the names and types of the table's definition.

    Raises ValueError when their number or types differ from it.
    """
    return pa.Table.from_arrays(list(columns), schema=arrow_schema(table))


def integers(values: Ints, missing: Bools | None = None) -> pa.Array:
    """Whole numbers; null where `missing`."""
    return pa.array(values.astype(np.int64), pa.int64(), mask=missing)


def dollars(cents: Ints, missing: Bools | None = None) -> pa.Array:
    """Cents as US dollars; null where `missing`."""
    return pa.array(cents / 100.0, pa.float64(), mask=missing)


def dates(days: Ints) -> pa.Array:
    """Day numbers (0 is the first day of trade) as dates."""
    return pa.array((days + EPOCH_DAY_ZERO).astype(np.int32), pa.int32()).cast(pa.date32())


def moments(microseconds: Ints) -> pa.Array:
    """Microseconds since 1970 as UTC timestamps."""
    return pa.array(microseconds, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def words(vocabulary: Sequence[str | None], positions: Ints, missing: Bools | None = None) -> pa.Array:
    """The word at each position; null where `missing`."""
    return pa.array(vocabulary, pa.string()).take(pa.array(positions, pa.int64(), mask=missing))


def struct(**columns: pa.Array) -> pa.StructArray:
    """A record column of the given columns."""
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


def repeated(offsets: Ints, children: pa.Array) -> pa.ListArray:
    """A repeated column whose row i holds the children from offsets[i] to offsets[i + 1]."""
    inner = pa.list_(pa.field("element", children.type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), children, type=inner)
