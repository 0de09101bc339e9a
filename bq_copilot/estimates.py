"""Whether a dry run's answer fits what the gate found. A missing or contradicting field refuses."""

from __future__ import annotations

from bq_copilot.catalog import Catalog
from bq_copilot.errors import Refused
from bq_copilot.gate.verdict import Verdict
from bq_copilot.policy import Policy
from bq_copilot.ports import DryRun
from bq_copilot.values import Estimate

ACCURACIES = frozenset({"PRECISE", "UPPER_BOUND", "LOWER_BOUND", "UNKNOWN"})


def judge(query: str, found: DryRun, verdict: Verdict, policy: Policy, catalog: Catalog) -> Estimate:
    """Return the estimate, or raise Refused with the field that is missing or contradicts the gate."""
    kind, size, accuracy, tables = found.statement_type, found.bytes, found.accuracy, found.tables
    if kind is None or size is None or accuracy is None or tables is None or found.columns is None:
        raise _unclear(query, "the dry run left out what it must say", found)
    if kind != "SELECT":
        raise _unclear(query, f"the dry run says the statement is {kind}, not SELECT", found)
    if accuracy not in ACCURACIES or accuracy == "UNKNOWN":
        raise _unclear(query, f"the dry run does not know the size (accuracy {accuracy})", found)
    strange = [t for t in tables if not _expected(t, verdict, catalog)]
    if strange:
        raise _unclear(query, f"the dry run reads {', '.join(strange)}, which the gate did not see", found)
    if size < 0 or size > policy.limits.bytes_per_query:
        limit = policy.limits.bytes_per_query
        raise Refused(
            f"query {query} would read {size:,} bytes; the limit is {limit:,}",
            code="bytes_limit",
            next="Read less: fewer columns, or a filter on the partition column.",
        )
    return Estimate(
        query=query,
        statement_type=kind,
        bytes=size,
        accuracy=accuracy,
        tables=tables,
        columns=found.columns,
        usd=round(policy.price(size), 6),
    )


def _expected(table: str, verdict: Verdict, catalog: Catalog) -> bool:
    """A table is expected when the gate saw it, or a view or wildcard that reads it."""
    seen = set(verdict.facts.tables)
    if table in seen:
        return True
    families = [t for t in seen if t.endswith("*")]
    if any(table.startswith(f.removesuffix("*")) for f in families):
        return True
    views = [catalog.table(t) for t in seen]
    return any(v is not None and v.view_sql is not None and table in v.view_sql for v in views)


def _unclear(query: str, why: str, found: DryRun) -> Refused:
    missing = [n for n in ("statement_type", "bytes", "accuracy", "tables", "columns") if getattr(found, n) is None]
    detail = f" (missing: {', '.join(missing)})" if missing else ""
    return Refused(f"query {query}: {why}{detail}", code="dry_run_unclear")
