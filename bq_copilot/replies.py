"""What the model is told: the content of every tool result, as a pure function of facts.

One envelope for all: `{"ok": true, "untrusted": …, "data": …}` or `{"ok": false, "error": {"code", "message", …}}`.
Texts that come from the warehouse are bounded in length and marked untrusted; error texts too.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.gate.verdict import Verdict
from bq_copilot.policy import Policy
from bq_copilot.values import Failure, ResultColumn

MAX_TABLES = 60
MAX_TEXT = 400
"""Characters of a description that reach the model."""


def ok(data: Mapping[str, Any], *, untrusted: bool) -> str:
    """Return the envelope of a call that worked."""
    return _json({"ok": True, "untrusted": untrusted, "data": data})


def failure(code: str, message: str, **more: Any) -> str:
    """Return the envelope of a call that did not."""
    extra = {k: v for k, v in more.items() if v}
    return _json({"ok": False, "error": {"code": code, "message": message[:1_000], **extra}})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _clip(text: str, length: int = MAX_TEXT) -> str:
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def readable_tables(catalog: Catalog, policy: Policy) -> list[Table]:
    """Return the tables that policy lets the model see."""
    allowed = set(policy.allowed_datasets)
    return [t for t in catalog.tables if t.dataset in allowed]


def table_list(catalog: Catalog, policy: Policy, search: str) -> str:
    """Answer `list_tables`: the tables whose names, descriptions or columns share words with `search`."""
    tables = readable_tables(catalog, policy)
    words = {w for w in search.lower().replace(".", " ").replace("_", " ").split() if len(w) > 2}
    ranked = sorted(tables, key=lambda t: (-_matches(t, words), t.id))
    found = [t for t in ranked if _matches(t, words)] or ranked
    rows = [
        {
            "table": t.id,
            "kind": t.kind,
            "description": _clip(t.description),
            "rows": t.rows,
            "columns_count": len(t.leaves),
        }
        for t in found[:MAX_TABLES]
    ]
    return ok({"tables": rows, "truncated": len(found) > MAX_TABLES}, untrusted=True)


def _matches(table: Table, words: set[str]) -> int:
    text = f"{table.id} {table.description} {' '.join(leaf.path for leaf in table.leaves)}".lower()
    return sum(word in text for word in words)


def table_description(catalog: Catalog, policy: Policy, table_id: str) -> str:
    """Answer `describe_table`."""
    wanted = table_id.strip().strip("`")
    readable = {t.id: t for t in readable_tables(catalog, policy)}
    table = readable.get(wanted)
    if table is None:
        near = difflib.get_close_matches(wanted, readable, n=3, cutoff=0.4)
        return failure("unknown_table", "There is no such table that may be read.", did_you_mean=near)
    data = {
        "table": table.id,
        "kind": table.kind,
        "description": _clip(table.description, 1_000),
        "rows": table.rows,
        "partition_by": table.partition_by,
        "columns": list(_columns(table.columns, policy, "", (), None)),
    }
    return ok(data, untrusted=True)


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
            "description": _clip(column.description),
            "restricted": bool(policy.meaning(all_tags) & set(policy.denied_tags)),
        }
        inner = path if column.mode == "REPEATED" else repeated_in
        yield from _columns(column.fields, policy, path + ".", all_tags, inner)


def gate_denied(verdicts: Iterable[Verdict]) -> str:
    """Tell which rules denied the plan, and how to rewrite it."""
    findings = [
        {"rule": f.rule, "message": f.advice or f.message, "line": f.line, "subject": f.subject}
        for v in verdicts
        for f in v.findings
        if f.severity == "deny"
    ]
    return failure("gate_denied", "The policy does not allow this plan.", findings=findings[:10])


def dry_run_failed(query: str, why: Failure, catalog: Catalog, policy: Policy) -> str:
    """Tell what the dry run said, as data, with the nearest real names."""
    names = [leaf.path for t in readable_tables(catalog, policy) for leaf in t.leaves]
    quoted = [w.strip("`'\".,;:()[]") for w in why.message.split()]
    near = [m for w in quoted if len(w) > 3 for m in difflib.get_close_matches(w, names, n=2, cutoff=0.75)]
    return failure(
        "dry_run_failed",
        f"The warehouse did not accept query {query}.",
        reason=why.code,
        warehouse_says=_clip(why.message, 600),
        untrusted=True,
        did_you_mean=sorted(set(near))[:5],
    )


def results(parts: Iterable[tuple[str, str, tuple[ResultColumn, ...], Mapping[str, Any], int]]) -> str:
    """Answer an executed plan: for each (query, job id, columns, stored page, row count) a page of rows."""
    data = [
        {
            "query": query,
            "job_id": job_id,
            "columns": [{"name": c.name, "type": c.type} for c in columns],
            "rows": page["rows"][:MODEL_ROWS],
            "row_count": count,
            "truncated": count > min(len(page["rows"]), MODEL_ROWS),
            "summary": page["summary"],
        }
        for query, job_id, columns, page, count in parts
    ]
    return ok({"results": data}, untrusted=True)


MODEL_ROWS = 120
"""Rows of one result that reach the model."""


def profile(table: str, column: str, row: Mapping[str, Any]) -> str:
    """Answer `profile_column` from the one row that its query gave."""
    return ok({"table": table, "column": column, **row}, untrusted=True)
