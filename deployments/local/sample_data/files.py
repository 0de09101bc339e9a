"""Writes the sample tables as Parquet files, each beside its BigQuery table resource.

Decides: file names and the Parquet settings that keep the bytes the same for the same seed. Never does:
leave a half-written file under its final name. Why this shape: one table is built, written and dropped
before the next, so the peak of memory is the largest table and not their sum.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deployments.local.sample_data import shop_tables, web_tables
from deployments.local.sample_data.shop import Shop
from deployments.local.sample_data.tables import resource

BUILDERS: dict[str, Callable[[Shop], pa.Table]] = {
    "shop.customers": shop_tables.customers,
    "shop.products": shop_tables.products,
    "shop.orders": shop_tables.orders,
    "shop.refunds": shop_tables.refunds,
    "web.sessions": web_tables.sessions,
    "web.events": web_tables.events,
}


@dataclass(frozen=True)
class Written:
    """One table on disk."""

    table: str
    path: Path
    rows: int


def write_shop(shop: Shop, folder: Path) -> Iterator[Written]:
    """Write `<dataset>.<table>.parquet` and `.json` for every table; existing files are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, build in BUILDERS.items():
        rows = build(shop)
        path = folder / f"{table}.parquet"
        partial = path.with_suffix(".partial")
        pq.write_table(rows, partial, compression="snappy", row_group_size=131_072)
        partial.replace(path)
        text = json.dumps(resource(table), indent=2) + "\n"
        path.with_suffix(".json").write_text(text, encoding="utf-8")
        yield Written(table, path, rows.num_rows)
