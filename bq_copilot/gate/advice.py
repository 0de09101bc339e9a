"""Every text of the gate: one message for a person and one piece of advice for the model per reason.

Decides wording only. Messages to the model are filled with names of the catalog and of the policy, never with
text of the statement or of data, and say how to write the query instead, not how the reason was found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bq_copilot.gate.verdict import Finding, Ruling

GENERAL = "Write one plain GoogleSQL SELECT over the listed tables, every table as `project.dataset.table`."

TEXTS: Mapping[str, tuple[str, str]] = {
    # key: (message to the person, advice to the model)
    "statement": ("Only one read-only query may run: {reason}.", GENERAL),
    "dataset": (
        "{subject} is outside the allowed datasets.",
        "Use only tables of these datasets: {allowed}.",
    ),
    "table": (
        "{subject} is not a table of the catalog.",
        "Use list_tables to find the table, and write its full name `project.dataset.table`.",
    ),
    "short_name": (
        "{subject} is neither a full table name nor a name of a WITH clause in scope.",
        "Write every table as `project.dataset.table`; WITH names only where they are in scope.",
    ),
    "view": (
        "{subject} is a view whose base tables are not all allowed: {reason}.",
        "Do not use this view; use tables of the allowed datasets.",
    ),
    "tagged": (
        "{subject} is restricted ({tags}) and may not be read anywhere, filters and joins included.",
        "Leave out {subject}. Name the columns you need instead of a star, a whole row or a whole struct; "
        "other fields of the same struct may be read.",
    ),
    "tagged_ask": (
        "{subject} carries the tag {tags}; a person must agree that it is read.",
        "Leave out {subject} if the answer does not need it.",
    ),
    "model": (
        "{subject} leaves the query engine or runs a model.",
        "Use built-in functions on table data only.",
    ),
    "routine": (
        "{subject} is a user-defined routine; none is allowed.",
        "Write the calculation with built-in functions.",
    ),
    "function": (
        "{subject} is not on the list of known built-in functions.",
        "Use another built-in GoogleSQL function, without a dataset or alias before its name.",
    ),
    "metadata": (
        "{subject} is a metadata relation.",
        "Use list_tables and describe_table for metadata.",
    ),
    "wildcard": (
        "{subject} is not inside a listed wildcard family.",
        "Use one of these wildcard families: {allowed}.",
    ),
    "time_travel": (
        "Time travel and table decorators are not allowed.",
        "Read the current table, without FOR SYSTEM_TIME and without decorators.",
    ),
    "recursive": ("WITH RECURSIVE is not allowed.", "Write the query without recursion."),
    "generator": (
        "{subject} can generate more than {limit} elements, or its bounds are not literals.",
        "Give literal bounds that produce at most {limit} elements.",
    ),
    "unlinked": (
        "{subject} is joined without a condition that links it to the other tables.",
        "Join with ON or USING and compare columns of both sides for equality.",
    ),
    "unlinked_ask": (
        "{subject} is combined with every row of another grouped relation.",
        "Join with a condition unless every combination is wanted.",
    ),
    "graph": ("Graph queries are not allowed.", "Write the query over tables."),
    "lexical": (
        "The text is refused: {reason}.",
        "Use plain ASCII SQL; put other characters in text literals only.",
    ),
    "unparsed": ("The statement does not parse: {reason}.", GENERAL),
    "construct": (
        "{subject} is not a construct that the gate understands.",
        "Write the query without it, with plain SELECT clauses.",
    ),
    "unresolved": (
        "{subject} does not resolve: {reason}.",
        "Check the column with describe_table and qualify it with its table's alias.",
    ),
    "system_variable": ("System variables are not allowed.", "Use literals or query parameters."),
    "legacy": ("Legacy SQL is not allowed.", GENERAL),
    "hint": ("Hints and privacy clauses are not allowed.", "Write the query without hints or options."),
    "length": ("The query is longer than {limit} characters.", "Write a shorter query."),
    "engines": (
        "The second engine does not agree: {reason}.",
        "Write the query more plainly: full table names, qualified columns, no unusual syntax.",
    ),
    "unavailable": ("The gate could not finish: {reason}.", "Write a simpler query, or try again later."),
    "partition": (
        "{subject} is scanned without a filter on its partition column {column}.",
        "Filter {subject} on {column} unless the question needs all of its history.",
    ),
    "rule": ("Rule {rule_name} of the policy applies to {subject}. {text}", "Leave out {subject}."),
}
RULES: Mapping[str, str] = {
    "P01": "one statement, and it is a read-only query",
    "P02": "every relation is a listed table or view of an allowed dataset, by its full name",
    "P03": "a view is allowed when all of its base tables are; its columns inherit their tags",
    "P04": "a restricted column is not read anywhere, neither alone nor inside a row, struct or star",
    "P05": "nothing leaves the engine and no model runs",
    "P06": "no user-defined function, table function or procedure",
    "P07": "known built-in functions only",
    "P08": "no system variables",
    "P09": "no metadata relations",
    "P10": "wildcards only inside a listed family",
    "P11": "no time travel and no table decorators",
    "P12": "no recursion",
    "P13": "generated series are bounded by literals",
    "P14": "every join links its sides",
    "P15": "no graphs",
    "P16": "plain characters: ASCII names, nothing invisible",
    "P17": "what does not parse or resolve, or is not understood by both engines, is refused",
    "P18": "no legacy SQL",
    "P19": "no hints and no privacy clauses",
    "P20": "a bounded length",
    "L6": "cost: partitions are filtered, bytes stay within the limits",
}
LIMIT = 160
UNTRUSTED = re.compile(r"[^ -~]|`")


def rule_text(rule: str) -> str:
    """Return what a rule asks for, in words; rules of a policy file have their own message."""
    return RULES.get(rule, "a rule of the policy file")


def finding(
    rule: str,
    key: str,
    severity: Ruling,
    line: int = 0,
    column: int = 0,
    subject: str = "",
    words: Mapping[str, str] | None = None,
) -> Finding:
    """Return the finding of one reason; `words` fill the template's other places."""
    message, advice = TEXTS[key]
    clean = {k: _clean(v) for k, v in (words or {}).items()}
    known = {"subject": _clean(subject), "allowed": "", "reason": "", "tags": "", "limit": "", "column": "", **clean}
    known.setdefault("rule_name", rule)
    known.setdefault("text", "")
    shown = known if key in SCHEMA_SUBJECTS else {**known, "subject": "it"}
    return Finding(
        rule=rule,
        severity=severity,
        line=line,
        column=column,
        subject=_clean(subject),
        message=message.format_map(known).strip(),
        advice=advice.format_map(shown).strip(),
        repairable=key not in ("unavailable",),
    )


SCHEMA_SUBJECTS = frozenset({"tagged", "tagged_ask", "partition", "rule"})
"""Reasons whose subject is a name of the catalog, and may therefore appear in advice to the model."""


def _clean(text: str) -> str:
    shown = UNTRUSTED.sub(" ", text)
    return shown if len(shown) <= LIMIT else shown[: LIMIT - 1] + "~"
