"""Write a small acme warehouse: `python -m tests.gate_corpus.seed FOLDER`.

Decides: a few hundred plausible rows for every table that the gate allows, drawn from one fixed seed, in
the sandbox's seed format (`dataset.table.parquet` and `dataset.table.json`). Never: rows of acme.hr or
acme.finance; a statement that reaches them fails for want of a table. Column types come from acme.json,
so the seed cannot drift from the catalog. What the sandbox cannot store (RANGE) is left out.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.gate_corpus.corpus import schema

PROJECT = "bq-copilot-sandbox"
TAG = f"projects/{PROJECT}/locations/us/taxonomies/1/policyTags/pii"
ROWS = {"customers": 60, "orders": 300, "products": 40, "stores": 8, "fx_rates": 360, "promotions": 6}
DEFAULT_ROWS = 120
FIRST_DAY = dt.date(2025, 1, 1)
WORDS = {
    "country": ("DE", "FR", "US", "NL", "ES"),
    "city": ("Berlin", "Paris", "New York", "Utrecht", "Madrid"),
    "segment": ("consumer", "business"),
    "status": ("delivered", "shipped", "returned", "cancelled"),
    "channel": ("web", "app", "store"),
    "currency": ("EUR", "USD", "GBP", "JPY"),
    "category": ("shoes", "bags", "hats", "mobile", "desktop"),
    "brand": ("Voltara", "Ombra", "Kite & Co"),
    "reason": ("damaged", "late", "wrong item"),
    "tier": ("gold", "silver", "bronze"),
    "event_name": ("view_item", "add_to_cart", "purchase", "page_view"),
    "medium": ("cpc", "organic", "email", "internal"),
    "variant": ("control", "treatment"),
    "experiment_id": ("checkout-2", "search-ranking-7"),
    "key": ("page_location", "page_title", "engagement_time_msec"),
    "query": ("red shoe", "boots", "kids hat", "bag"),
    "url": ("https://shop.example/product/1?ref=a", "https://shop.example/cart"),
    "landing_page": ("https://shop.example/de/home/x", "https://shop.example/fr/sale/y"),
    "referrer": ("https://search.example.com/?q=1", "https://news.example.org/a"),
    "coupon_code": ("SPRING", "SUMMER", None),
    "tags": ("eco", "new", "test"),
    "categories": ("shoes", "bags"),
    "timezone": ("Europe/Berlin", "America/New_York"),
}
JSON_TEXT = ('{"color": "red", "material": "felt", "labels": ["a", "b"]}', '{"newsletter": "true", "gift": 1}')
ARROW = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "NUMERIC": pa.decimal128(38, 9),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "JSON": pa.string(),
    "GEOGRAPHY": pa.string(),
}
Field = dict[str, Any]


def write_seed(folder: Path) -> None:
    """Write every table of the allowed datasets; views are left to `view_texts`."""
    folder.mkdir(parents=True, exist_ok=True)
    for full, table in schema()["tables"].items():
        _, dataset, name = full.split(".")
        if f"acme.{dataset}" in schema()["allowed_datasets"] and table["kind"] == "table":
            fields = [field for field in table["columns"] if not field["type"].startswith("RANGE")]
            _write(folder / f"{dataset}.{name}", fields, table, ROWS.get(name, DEFAULT_ROWS))


def view_texts() -> dict[str, str]:
    """Name and text of the views over allowed tables, for the sandbox's project."""
    views = {full: table["view_sql"] for full, table in schema()["tables"].items() if table["kind"] == "view"}
    return {
        here(full): here(text)
        for full, text in views.items()
        if not any(f"acme.{denied}." in text for denied in ("hr", "finance"))
    }


def here(sql: str) -> str:
    """The same text for the sandbox, which serves one project under its own name."""
    head, *rest = sql.split("acme")
    parts = [f"{PROJECT if tail.lstrip('` ').startswith('.') else 'acme'}{tail}" for tail in rest]
    return "".join([head, *parts])


def _write(path: Path, fields: list[Field], table: dict[str, Any], count: int) -> None:
    draw = random.Random(path.name)
    rows = [{field["name"]: _value(field, index, draw) for field in fields} for index in range(count)]
    arrow = pa.schema([(field["name"], _arrow(field)) for field in fields])
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow), path.with_name(f"{path.name}.parquet"))
    resource: dict[str, Any] = {"schema": {"fields": [_described(field) for field in fields]}}
    if by := table.get("partition_by"):
        resource["timePartitioning"] = {"type": "DAY", "field": by}
    path.with_name(f"{path.name}.json").write_text(json.dumps(resource, indent=1))


def _described(field: Field) -> Field:
    out = {"name": field["name"], "type": field["type"], "mode": field["mode"]}
    if field.get("fields"):
        out["fields"] = [_described(inner) for inner in field["fields"]]
    return {**out, "policyTags": {"names": [TAG]}} if field.get("pii") else out


def _arrow(field: Field) -> pa.DataType:
    inner = field.get("fields")
    kind = pa.struct([(f["name"], _arrow(f)) for f in inner]) if inner else ARROW[field["type"]]
    return pa.list_(kind) if field["mode"] == "REPEATED" else kind


def _value(field: Field, index: int, draw: random.Random) -> Any:
    if field["mode"] == "REPEATED":
        single = {**field, "mode": "NULLABLE"}
        length = 3 if field["type"] == "FLOAT64" else draw.randint(1, 3)  # vectors are of one length
        return [_value(single, place, draw) for place in range(length)]
    if field.get("fields"):
        return {inner["name"]: _value(inner, index, draw) for inner in field["fields"]}
    return DRAWS[field["type"]](field["name"], index, draw)


def _text(name: str, index: int, draw: random.Random) -> str | None:
    if name == "key":
        return WORDS[name][index % len(WORDS[name])]
    if name in WORDS:
        return draw.choice(WORDS[name])
    return f"s{draw.randint(1, 80)}" if name == "session_id" else f"{name}-{index % 17}"


def _whole(name: str, index: int, draw: random.Random) -> int:
    limits = {"customer_id": 60, "product_id": 40, "store_id": 8, "order_id": 300, "rating": 5}
    keys = {"order_id": 300, "refund_id": 120, "review_id": 120, "promo_id": 6}
    return index + 1 if name in keys and draw.random() < 0.9 else draw.randint(1, limits.get(name, 100))


def _day(_name: str, index: int, draw: random.Random) -> dt.date:
    return FIRST_DAY + dt.timedelta(days=(index + draw.randint(0, 3)) % 90)


def _moment(name: str, index: int, draw: random.Random) -> dt.datetime:
    start = dt.datetime.combine(_day(name, index, draw), dt.time(draw.randint(0, 22)), dt.UTC)
    return start + dt.timedelta(hours=1) if name == "ended_at" else start


DRAWS: dict[str, Callable[[str, int, random.Random], Any]] = {
    "STRING": _text,
    "INT64": _whole,
    "FLOAT64": lambda _name, _index, draw: round(draw.uniform(1, 100), 3),
    "BOOL": lambda _name, _index, draw: draw.random() < 0.4,
    "NUMERIC": lambda _name, _index, draw: Decimal(draw.randint(100, 300_000)) / 100,
    "DATE": _day,
    "TIMESTAMP": _moment,
    "DATETIME": lambda name, index, draw: _moment(name, index, draw).replace(tzinfo=None),
    "JSON": lambda _name, _index, draw: draw.choice(JSON_TEXT),
    "GEOGRAPHY": lambda _name, _index, draw: f"POINT({draw.uniform(-5, 15):.4f} {draw.uniform(40, 55):.4f})",
}


if __name__ == "__main__":
    write_seed(Path(sys.argv[1]))
