"""What the model is told: the content of every tool result, as a pure function of facts.

One envelope for all: `{"ok": true, "untrusted": …, "data": …}` or `{"ok": false, "error": {"code", "message", …}}`.
Texts that come from the warehouse are bounded in length and marked untrusted; error texts too.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bq_copilot.bounded import bounded_rows, clip
from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.policy import Policy
from bq_copilot.retrieval.units import Unit
from bq_copilot.retrieval.words import query_words, split
from bq_copilot.values import ResultColumn

MAX_TABLES = 40
LIST_BYTES = 12_000
"""Bytes of a list of tables."""
COLUMN_BYTES = 16_000
"""Bytes of the columns of one table."""
RESULT_BYTES = 16_000
"""Bytes of the rows of one result."""


def ok(data: Mapping[str, Any], *, untrusted: bool) -> str:
    """Return the envelope of a call that worked."""
    return _json({"ok": True, "untrusted": untrusted, "data": data})


def failure(code: str, message: str, **more: Any) -> str:
    """Return the envelope of a call that did not."""
    extra = {k: v for k, v in more.items() if v}
    return _json({"ok": False, "error": {"code": code, "message": message[:1_000], **extra}})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def readable_tables(catalog: Catalog, policy: Policy) -> list[Table]:
    """Return the tables that policy lets the model see."""
    allowed = set(policy.allowed_datasets)
    return [t for t in catalog.tables if t.dataset in allowed]


def table_list(catalog: Catalog, policy: Policy, units: Sequence[Unit]) -> str:
    """Answer `list_tables` with these tables and families, best first."""
    rows: list[dict[str, Any]] = []
    room = LIST_BYTES
    for unit in units[:MAX_TABLES]:
        row = _listed(unit)
        room -= len(_json(row).encode())
        if room < 0:
            break
        rows.append(row)
    readable = len(readable_tables(catalog, policy))
    shown = sum(len(u.members) for u in units[: len(rows)])
    return ok({"tables": rows, "truncated": shown < readable, "readable_tables": readable}, untrusted=True)


def _listed(unit: Unit) -> dict[str, Any]:
    table = unit.table
    row: dict[str, Any] = {
        "table": unit.id,
        "kind": table.kind,
        "description": clip(table.description),
        "rows": table.rows,
        "columns_count": len(table.leaves),
    }
    return row | _family(unit)


def _family(unit: Unit) -> dict[str, Any]:
    if not unit.is_family:
        return {}
    first, last = (m[len(unit.id) - 1 :] for m in (unit.members[0], unit.members[-1]))
    return {"family_of": len(unit.members), "suffixes": [first, last]}


def table_description(catalog: Catalog, policy: Policy, table_id: str, search: str = "") -> str:
    """Answer `describe_table`; of a very wide table, the columns that fit `search` and those that come first."""
    wanted = table_id.strip().strip("`")
    readable = {t.id: t for t in readable_tables(catalog, policy)}
    family = catalog.family(wanted) if wanted.endswith("*") else None
    members = [t for t in catalog.members(wanted) if t.id in readable] if family else []
    table = readable.get(family.schema_of) if family else readable.get(wanted)
    if table is None:
        names = [*readable, *(f.pattern for f in catalog.families)]
        near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
        return failure("unknown_table", "There is no such table that may be read.", did_you_mean=near)
    data = {
        "table": wanted if family else table.id,
        "kind": table.kind,
        "description": clip(table.description, 1_000),
        "rows": table.rows,
        "partition_by": table.partition_by,
        **({"family_of": len(members), "members": [m.id for m in members][-3:]} if family else {}),
        **_bounded_columns(list(_columns(table.columns, policy, "", (), None)), search),
    }
    return ok(data, untrusted=True)


def _bounded_columns(columns: list[dict[str, Any]], search: str) -> dict[str, Any]:
    """Return the columns within their budget: first descriptions give way, then columns that nobody searched for."""
    if _bytes(columns) <= COLUMN_BYTES:
        return {"columns": columns}
    words = set(query_words(search))
    ranked = sorted(range(len(columns)), key=lambda i: -len(words & set(split(columns[i]["name"]))))
    kept, room = set[int](), COLUMN_BYTES
    for place in ranked:
        columns[place]["description"] = clip(columns[place]["description"], 60)
        room -= _bytes(columns[place])
        if room < 0:
            break
        kept.add(place)
    left_out = len(columns) - len(kept)
    hint = {"columns_left_out": left_out, "hint": "Describe it again with `search` for other columns."}
    return {"columns": [columns[i] for i in sorted(kept)], **(hint if left_out else {})}


def _bytes(value: Any) -> int:
    return len(_json(value).encode())


def _columns(
    columns: Iterable[Column], policy: Policy, prefix: str, tags: tuple[str, ...], repeated_in: str | None
) -> Iterable[dict[str, Any]]:
    for column in columns:
        path, all_tags = prefix + column.name, (*tags, *column.tags)
        yield {
            "name": path,
            "type": column.type,
            "mode": column.mode,
            "repeated_in": repeated_in,
            "description": clip(column.description),
            "restricted": bool(policy.meaning(all_tags) & set(policy.denied_tags)),
        }
        inner = path if column.mode == "REPEATED" else repeated_in
        yield from _columns(column.fields, policy, path + ".", all_tags, inner)


def gate_denied(findings: Sequence[Mapping[str, Any]], repairs_left: int | None = None) -> str:
    """Tell which rules denied the plan, where, and how to rewrite it."""
    left = {} if repairs_left is None else {"repairs_left": repairs_left}
    return failure("gate_denied", "The policy does not allow this plan.", findings=list(findings), **left)


def query_failed(code: str, query: str, details: Mapping[str, Any], repairs_left: int) -> str:
    """Tell why the warehouse did not accept or finish a query; what it says is marked untrusted."""
    said = {"dry_run_failed": "did not accept", "query_failed": "did not finish"}[code]
    more = {**details, "query": query, "untrusted": True, "repairs_left": repairs_left}
    return failure(code, f"The warehouse {said} query {query}.", **more)


def results(
    parts: Iterable[tuple[str, str, tuple[ResultColumn, ...], Mapping[str, Any], int]],
    changed: Mapping[str, str] | None = None,
) -> str:
    """Answer an executed plan: for each (query, job id, columns, stored page, row count) a page of rows.

    `changed` has the SQL of queries that a person changed after they were proposed.
    """
    data = [_result(*part) for part in parts]
    for one in data:
        if changed and one["query"] in changed:
            one["changed_by_a_person"] = {"sql": changed[one["query"]]}
    return ok({"results": data}, untrusted=True)


def _result(
    query: str, job_id: str, columns: tuple[ResultColumn, ...], page: Mapping[str, Any], count: int
) -> dict[str, Any]:
    rows = bounded_rows(page["rows"], MODEL_ROWS, RESULT_BYTES)
    return {
        "query": query,
        "job_id": job_id,
        "columns": [{"name": c.name, "type": c.type} for c in columns],
        "rows": rows,
        "row_count": count,
        "truncated": count > len(rows),
        "summary": page["summary"],
    }


MODEL_ROWS = 120
"""Rows of one result that reach the model."""


def profile(table: str, column: str, row: Mapping[str, Any]) -> str:
    """Answer `profile_column` from the one row that its query gave."""
    return ok({"table": table, "column": column, **row}, untrusted=True)
