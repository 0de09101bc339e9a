"""The arguments of `propose_plan`: the statement, its purpose, and the rationale in plain words.

Decides wording only. Assumptions that the planner made are said here, before a person approves.
"""

from datetime import timedelta

from deployments.local.offline_model.conversation import Json
from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.reading import Form, Reading
from deployments.local.offline_model.schema_view import Schema
from deployments.local.offline_model.sql_writer import write_sql
from deployments.local.offline_model.time_window import Window

_FORMS = {
    Form.TOTAL: "total",
    Form.TREND: "trend",
    Form.RANKING: "ranking",
    Form.COMPARISON: "comparison of two periods",
    Form.SHARES: "shares of the whole",
    Form.FUNNEL: "funnel",
    Form.THRESHOLD: "count of those that pass a threshold",
    Form.ANOMALY: "search for unusual periods",
}


def plan_arguments(reading: Reading, schema: Schema, cues: Cues, again: bool) -> Json:
    """One query, with its purpose and rationale."""
    return {
        "queries": [{"id": "q1", "purpose": purpose(reading), "sql": write_sql(reading, schema)}],
        "rationale": " ".join([("Repaired. " if again else "") + f"{purpose(reading)}.", *_reasons(reading)])[:2000],
    }


def purpose(reading: Reading) -> str:
    """`revenue by channel, 2025-01-01 to 2025-12-31 (comparison of two periods)`."""
    by = [c.leaf.replace("_", " ") for d in reading.dims for c in d.columns[-1:]]
    grain = [reading.grain] if reading.grain else []
    text = " and ".join(m.name.replace("_", " ") for m in reading.measures)
    text += f" by {', '.join([*grain, *by])}" if by or grain else ""
    spans = " against ".join(days(w) for w in reading.windows)
    return f"{text[:1].upper()}{text[1:]}{', ' + spans if spans else ''} ({_FORMS[reading.form]})"


def days(window: Window) -> str:
    """The window by its first and last day."""
    last = window.end - timedelta(days=1) if window.end else None
    if window.start and last:
        return f"{window.start} to {last}" if last != window.start else f"{window.start}"
    return f"from {window.start}" if window.start else f"until {last}"


def _reasons(reading: Reading) -> list[str]:
    filters = [f"{f.column.leaf} {'is' if f.op == '=' else f.op} {' or '.join(f.values)}" for f in reading.filters]
    said = [f"Only rows where {'; '.join(filters)}." if filters else ""]
    said += [f"Assumption: {a}." for a in reading.assumptions]
    return [s for s in said if s]
