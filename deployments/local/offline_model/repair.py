"""What to change after a plan came back with an error.

Decides from the error's data, not its prose: a subject that is a column of ours is not used again (the next reading is
built without it), `did_you_mean` replaces an unknown name, and a failing optional part is dropped. Bounded; the same
statement is never sent twice.
"""

import re
from collections.abc import Sequence

from deployments.local.offline_model.conversation import Conversation, Exchange, Json
from deployments.local.offline_model.schema_view import Schema

MAX_REPAIRS = 3
_TRANSIENT = re.compile(r"backend|internal|rateLimit|timeout|timed out|unavailable|503|500", re.I)


def blocked_columns(conversation: Conversation, schema: Schema) -> frozenset[str]:
    """`table.path` of every column that an error named and for which no other spelling was offered."""
    found: set[str] = set()
    for exchange in conversation.failed_plans():
        if exchange.error.get("did_you_mean"):
            continue
        for subject in _subjects(exchange.error):
            found |= {
                f"{t.id}.{c.path}"
                for t in schema.tables
                for c in t.columns
                if subject in (f"{t.id}.{c.path}", c.path, f"{t.name}.{c.path}")
                or subject.endswith(f"{t.name}.{c.path}")
            }
    return frozenset(found)


def _subjects(error: Json) -> set[str]:
    findings = [f for f in error.get("findings") or [] if isinstance(f, dict)]
    named = {str(f.get("subject") or "").strip("`") for f in findings}
    message = f"{error.get('message') or ''} {error.get('warehouse_says') or ''}"
    named |= set(re.findall(r"(?:column|field|name|unrecognized name:?)\s+[`'\"]?([A-Za-z_][\w.]*)", message, re.I))
    return {n for n in named if n}


def repaired_sql(arguments: Json, failed: Sequence[Exchange], schema: Schema) -> Json | None:
    """The arguments to propose next; None when every repair gives a statement that failed before."""
    sent = {_sql(e.arguments) for e in failed}
    last = failed[-1].error
    choices = [arguments, _renamed(arguments, last), *_reduced(arguments)]
    if (
        _TRANSIENT.search(f"{last.get('message')} {last.get('reason')}")
        and list(map(_sql, (e.arguments for e in failed))).count(_sql(arguments)) < 2
    ):
        return arguments
    return next((c for c in choices if c is not None and _sql(c) not in sent), None)


def _sql(arguments: Json) -> str:
    queries = arguments.get("queries") or []
    return "\n".join(str(q.get("sql", "")) for q in queries if isinstance(q, dict))


def _with_sql(arguments: Json, sql: str) -> Json:
    query = arguments["queries"][0]
    return {**arguments, "queries": [{**query, "sql": sql}]}


def _renamed(arguments: Json, error: Json) -> Json | None:
    """Write the offered spelling instead of the unknown one."""
    offered = [str(n) for n in error.get("did_you_mean") or []]
    if not offered:
        return None
    sql = _sql(arguments)
    for subject in sorted(_subjects(error), key=len, reverse=True):
        leaf = subject.rsplit(".", 1)[-1]
        if re.search(rf"\b{re.escape(leaf)}\b", sql):
            right = offered[0].rsplit(".", 1)[-1]
            return _with_sql(arguments, re.sub(rf"\b{re.escape(leaf)}\b", right, sql))
    return None


def _reduced(arguments: Json) -> list[Json]:
    """The statement without the parts that an engine may not know: window columns, then the LIMIT."""
    sql = _sql(arguments)
    plain = re.sub(r",\s*(?:ROUND\()?[^,\n]*OVER \([^)]*\)[^\n]*?AS \w+(?=\n|,)", "", sql)
    inner = re.match(r"WITH grouped_rows AS \(\n(?P<body>.*?)\n\)\nSELECT", sql, re.S)
    bare = "\n".join(line.removeprefix("  ") for line in inner["body"].splitlines()) if inner else sql
    return [_with_sql(arguments, s) for s in dict.fromkeys((plain, bare)) if s != sql]
