"""What has changed between an approval and its use: each approved fact against the same fact now.

Decides which changes void an approval. Less is allowed to become true by itself (fewer bytes, a looser policy),
more never is. It compares values only; fetching the fresh ones is the caller's part.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from bq_copilot.approval import ApprovalRequest, Approvers, QueryFacts
from bq_copilot.canonical import digest_bytes
from bq_copilot.catalog import Catalog, Table
from bq_copilot.requests import is_stricter

SURENESS = ("UNKNOWN", "LOWER_BOUND", "UPPER_BOUND", "PRECISE")


def refreshed(catalog: Catalog, fresh: Mapping[str, Table | None]) -> Catalog:
    """Return `catalog` with the tables as they are now; None stands for a table that is gone."""
    kept = [t for t in catalog.tables if t.id not in fresh]
    tables = (*kept, *(t for t in fresh.values() if t is not None))
    return Catalog(tables=tables, families=catalog.families, default_project=catalog.default_project)


def changes(
    old: ApprovalRequest, new: Mapping[str, QueryFacts], approvers: Approvers | None = None, runs_as: str = ""
) -> tuple[str, ...]:
    """Return one line for each approved fact that is another one now.

    `approvers` is whom today's policy would ask, `runs_as` today's account; left out, they are not compared.
    """
    lines: list[str] = []
    for query in old.queries:
        fresh = new.get(query.id)
        lines += [f"{query.id}: gone"] if fresh is None else _differences(query, fresh)
    if approvers is not None and is_stricter(approvers, old.approvers):
        lines.append(f"policy: {_who(approvers)} must approve now, it was {_who(old.approvers)}")
    if runs_as and old.runs_as and runs_as != old.runs_as:
        lines.append(f"the jobs would run as {runs_as} instead of {old.runs_as}")
    return tuple(lines)


def _differences(old: QueryFacts, new: QueryFacts) -> list[str]:
    found = [*_tables(old, new), *_reads(old, new)]
    if digest_bytes(old.sql.encode()) != old.sql_digest:
        found.append("the SQL is not what its digest names")
    if old.sql != new.sql:
        found.append("SQL\n" + "\n".join(sql_diff(old.sql, new.sql)))
    if old.parameters != new.parameters:
        found.append("other parameters")
    if old.destination and old.destination != new.destination:
        found.append(f"writes to {new.destination} instead of {old.destination}")
    if new.bytes > old.bytes:
        found.append(f"reads {new.bytes:,} bytes instead of {old.bytes:,}")
    if _sure(new.accuracy) < _sure(old.accuracy):
        found.append(f"its size is {new.accuracy} now, it was {old.accuracy}")
    if new.usd > old.usd:
        found.append(f"costs {new.usd:,.4f} instead of {old.usd:,.4f}")
    return [f"{old.id}: {line}" for line in found]


def _tables(old: QueryFacts, new: QueryFacts) -> list[str]:
    before = {t.table: t.fingerprint for t in old.tables}
    now = {t.table: t.fingerprint for t in new.tables}
    changed = [f"schema of {t} changed" for t in before if t in now and now[t] != before[t]]
    gone = [f"{t} is not read any more" for t in before if t not in now]
    return changed + gone + [f"reads {t} as well" for t in now if t not in before]


def _reads(old: QueryFacts, new: QueryFacts) -> list[str]:
    found: list[str] = []
    if set(old.columns) != set(new.columns):
        found.append(f"reads other columns ({_some(set(new.columns) - set(old.columns)) or 'fewer'})")
    if tagged := set(new.tagged) - set(old.tagged):
        found.append(f"{_some(tagged)} is tagged as personal or restricted now")
    if new.tagged_in_output and not old.tagged_in_output:
        found.append("tagged data reaches the result now")
    if notes := [n for n in new.notes if n not in old.notes]:
        found.append(f"the gate says now: {'; '.join(notes[:3])}")
    return found


def sql_diff(old: str, new: str) -> list[str]:
    """Return the lines that differ, with one line around them."""
    return list(difflib.unified_diff(old.splitlines(), new.splitlines(), "approved", "now", lineterm="", n=1))


def denials(query: str, messages: Iterable[str]) -> tuple[str, ...]:
    """Return the lines for a query that today's gate denies."""
    return tuple(f"{query}: denied now: {message}" for message in messages)


def _sure(accuracy: str) -> int:
    return SURENESS.index(accuracy) if accuracy in SURENESS else 0


def _some(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _who(rule: Approvers) -> str:
    many = f"{rule.needed} of " if rule.needed > 1 else ""
    who = ", ".join(rule.allowed) or ("somebody else than the requester" if rule.exclude_requester else "one")
    return f"tier {rule.tier} ({many}{who}{', with a code' if rule.require_code else ''})"
