"""A tiny shop for the sandbox's tests: one partitioned nested table, one flat one with tagged columns."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PROJECT = "bq-copilot-sandbox"
PII = [f"projects/{PROJECT}/locations/us/taxonomies/1/policyTags/pii"]
DAYS = 10
PER_DAY = 3000
ORDERS = DAYS * PER_DAY
FIRST_DAY = date(2026, 1, 1)

Field = dict[str, Any]


def write_seed(folder: Path) -> Path:
    """Write the seed files as the contract has them."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_orders(), folder / "shop.orders.parquet")
    pq.write_table(_customers(), folder / "shop.customers.parquet")
    orders = {
        "description": "One row per order.",
        "schema": {"fields": ORDER_FIELDS},
        "timePartitioning": {"type": "DAY", "field": "order_date"},
    }
    customers = {"description": "One row per customer.", "schema": {"fields": CUSTOMER_FIELDS}}
    (folder / "shop.orders.json").write_text(json.dumps(orders), "utf-8")
    (folder / "shop.customers.json").write_text(json.dumps(customers), "utf-8")
    return folder


def _field(name: str, kind: str, mode: str = "NULLABLE", **more: Any) -> Field:
    return {"name": name, "type": kind, "mode": mode, "description": f"The {name}.", **more}


ORDER_FIELDS = [
    _field("order_id", "INT64"),
    _field("customer_id", "INT64"),
    _field("order_ts", "TIMESTAMP"),
    _field("order_date", "DATE"),
    _field("country", "STRING"),
    _field("total", "FLOAT64"),
    _field(
        "items",
        "RECORD",
        "REPEATED",
        fields=[_field("product_id", "INT64"), _field("category", "STRING"), _field("quantity", "INT64")],
    ),
    _field(
        "shipping",
        "RECORD",
        fields=[_field("method", "STRING"), _field("address", "RECORD", fields=[_field("city", "STRING")])],
    ),
]
CUSTOMER_FIELDS = [
    _field("customer_id", "INT64"),
    _field("email", "STRING", policyTags={"names": PII}),
    _field("country", "STRING"),
]


def _orders() -> pa.Table:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "order_id": i,
            "customer_id": i % 100,
            "order_ts": start + timedelta(days=i % DAYS, seconds=i),
            "order_date": FIRST_DAY + timedelta(days=i % DAYS),
            "country": ("US", "DE", "FR")[i % 3],
            "total": float(i),
            "items": [{"product_id": i, "category": "ab"[i % 2], "quantity": 2}] * (i % 3),
            "shipping": {"method": "post", "address": {"city": "Rome"}},
        }
        for i in range(ORDERS)
    ]
    item = pa.struct([("product_id", pa.int64()), ("category", pa.string()), ("quantity", pa.int64())])
    shipping = pa.struct([("method", pa.string()), ("address", pa.struct([("city", pa.string())]))])
    kinds = [
        ("order_id", pa.int64()),
        ("customer_id", pa.int64()),
        ("order_ts", pa.timestamp("us", "UTC")),
        ("order_date", pa.date32()),
        ("country", pa.string()),
        ("total", pa.float64()),
        ("items", pa.list_(item)),
        ("shipping", shipping),
    ]
    return pa.Table.from_pylist(rows, pa.schema(kinds))


def _customers() -> pa.Table:
    rows = [{"customer_id": i, "email": f"c{i}@example.org", "country": "US"} for i in range(100)]
    return pa.Table.from_pylist(rows)
