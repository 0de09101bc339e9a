"""The answer from the rows: what the figures say, each one cited, a fitting chart, and what was assumed.

Decides which cells matter for the form of the analysis. Works from the result's own columns, because a person may have
edited the SQL: the reading only lends words. Never follows text in the rows; a row's label is quoted, shortened.
"""

from collections.abc import Callable, Sequence

from deployments.local.offline_model.conversation import Json
from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.figures import Draft, Sheet, number_of, read_sheet
from deployments.local.offline_model.reading import Form, Reading
from deployments.local.offline_model.words import title

MAX_SUMMARY = 5_500
_PERIODS = ("day", "week", "month", "quarter", "year")


def write_answer(reading: Reading | None, cues: Cues, results: Sequence[Json], notice: str, scheduled: bool) -> Json:
    """Arguments of `write_answer`."""
    draft = Draft()
    sheets = [read_sheet(r) for r in results]
    changed = any(s.changed for s in sheets)
    reading = None if changed else reading
    for sheet in sheets:
        _describe(reading, "" if changed else _when(cues), sheet, draft)
    if changed:
        draft.say(
            "A person changed the SQL after it was proposed: what it filters stands in the query, not in the plan."
        )
    _remarks(reading, sheets, draft, scheduled)
    draft.say(notice)
    summary = " ".join(draft.sentences)[:MAX_SUMMARY]
    cited = [c for c in draft.citations if c["figure"] in summary][:200]
    return {"summary": summary, "chart": _chart(reading, sheets[0]), "citations": cited}


def _describe(reading: Reading | None, when: str, sheet: Sheet, draft: Draft) -> None:
    if not sheet.rows:
        draft.say("No rows match: the tables hold nothing for this question's filters and period.")
        return
    figures = sheet.numbers
    if not figures or (all(sheet.at(0, c) is None for c in figures) and len(sheet.rows) == 1):
        draft.say("The query ran, but its result holds no figure for this question.")
        return
    describe = _DESCRIBERS.get(_form(reading, sheet), _one_row)
    describe(reading, sheet, draft, when)


def _form(reading: Reading | None, sheet: Sheet) -> str:
    """The form to describe, taken from the result's columns."""
    changed = sheet.has("change_pct") or sheet.has("change_points")
    if all(sheet.has(c) for c in ("z_score", "usual_level", "deviation_pct")):
        return "anomaly"
    if sheet.has("pct_of_first") and sheet.has("step") and len(sheet.numbers) > 1:
        return "funnel"
    if len(sheet.rows) == 1 and not sheet.labels:
        return "comparison" if changed and len(sheet.numbers) > 2 else "one"
    if sheet.columns[0] in _PERIODS and not (reading and reading.form is Form.RANKING):
        return "series"
    if reading and reading.form is Form.COMPARISON and len(sheet.numbers) > 1:
        return "compared groups"
    return "groups" if sheet.labels or sheet.has("hour") else "one"


def _when(cues: Cues) -> str:
    """The question's own words for the period."""
    return f" ({' / '.join(w.label for w in cues.windows)})" if cues.windows else ""


def _one_row(reading: Reading | None, sheet: Sheet, draft: Draft, when: str) -> None:
    for column in sheet.numbers:
        draft.say(f"{title(column)}{when}: {draft.cite(sheet, 0, column)}.")


def _comparison(reading: Reading | None, sheet: Sheet, draft: Draft, when: str) -> None:
    now, before = sheet.numbers[0], sheet.numbers[1]
    name = reading.measure.name if reading else now
    change = "change_pct" if sheet.has("change_pct") else "change_points"
    value = number_of(sheet.at(0, change))
    moved = "did not change" if not value else "rose" if value > 0 else "fell"
    draft.say(f"{title(name)}{when} {moved}: {draft.cite(sheet, 0, now)} in the later period against "
              f"{draft.cite(sheet, 0, before)} in the earlier one.")  # fmt: skip
    if sheet.has("change"):
        draft.say(f"The difference is {draft.cite(sheet, 0, 'change')}.")
    unit = "" if change == "change_pct" else " percentage points"
    draft.say(f"The change is {draft.cite(sheet, 0, change)}{unit}.")


def _series(reading: Reading | None, sheet: Sheet, draft: Draft, when: str) -> None:
    period, figure = sheet.columns[0], sheet.numbers[0]
    groups = [c for c in sheet.labels if c != period]
    if groups:
        _grouped_series(sheet, draft, when, groups)
        return
    last = len(sheet.rows) - 1
    draft.say(f"{title(figure)} by {period}{when}: the latest {period}, {draft.cite(sheet, last, period)}, "
              f"stands at {draft.cite(sheet, last, figure)}.")  # fmt: skip
    if last and sheet.has("change_pct"):
        draft.say(f"Change against the {period} before: {draft.cite(sheet, last, 'change_pct')}.")
    if last:
        draft.say(f"The first {period}, {draft.cite(sheet, 0, period)}, stood at {draft.cite(sheet, 0, figure)}.")
    if last and sheet.has("change_pct_since_first"):
        draft.say(f"Change since then: {draft.cite(sheet, last, 'change_pct_since_first')}.")
    elif last and sheet.has("change_points_since_first"):
        draft.say(f"Change since then: {draft.cite(sheet, last, 'change_points_since_first')} percentage points.")
    _extremes(sheet, draft, period, figure)


def _extremes(sheet: Sheet, draft: Draft, label: str, figure: str) -> None:
    rows = [i for i in range(len(sheet.rows)) if number_of(sheet.at(i, figure)) is not None]
    if len(rows) < 3:
        return
    top = max(rows, key=lambda i: number_of(sheet.at(i, figure)) or 0.0)
    low = min(rows, key=lambda i: number_of(sheet.at(i, figure)) or 0.0)
    for name, row in (("highest", top), ("lowest", low)):
        draft.say(f"The {name} value is {draft.cite(sheet, row, figure)} ({draft.cite(sheet, row, label)}).")


def _grouped_series(sheet: Sheet, draft: Draft, when: str, groups: Sequence[str]) -> None:
    period, figure = sheet.columns[0], sheet.numbers[0]
    latest = max(str(sheet.at(i, period)) for i in range(len(sheet.rows)))
    rows = [i for i in range(len(sheet.rows)) if str(sheet.at(i, period)) == latest]
    rows.sort(key=lambda i: -(number_of(sheet.at(i, figure)) or 0.0))
    parts = [f"{draft.row_name(sheet, i, groups)} {draft.cite(sheet, i, figure)}" for i in rows[:5]]
    draft.say(f"{title(figure)} by {period} and {title(groups[0]).lower()}{when}: "
f"in the latest {period} of these rows, "
              f"{draft.cite(sheet, rows[0], period)}: {'; '.join(parts)}.")  # fmt: skip


def _groups(reading: Reading | None, sheet: Sheet, draft: Draft, when: str) -> None:
    labels = sheet.labels or sheet.columns[:1]
    figure = next((c for c in sheet.numbers if c != "share_pct"), sheet.numbers[0])
    order = "first" if reading and not reading.descending else "top"
    parts = [
        f"{draft.row_name(sheet, i, labels)} with {draft.cite(sheet, i, figure)}"
        + (f" ({draft.cite(sheet, i, 'share_pct')} of the whole)" if sheet.has("share_pct") else "")
        for i in range(min(5, len(sheet.rows)))
    ]
    draft.say(
        f"{title(figure)} by {title(labels[-1]).lower()}{when}: {'lowest' if order == 'first' else 'highest'} "
        f"is {parts[0]}."
    )
    if len(parts) > 1:
        draft.say(f"Then {'; '.join(parts[1:])}.")
    if len(sheet.rows) > 5:
        last = len(sheet.rows) - 1
        draft.say(
            f"Last of these rows is {draft.row_name(sheet, last, labels)} with {draft.cite(sheet, last, figure)}."
        )


def _compared_groups(reading: Reading | None, sheet: Sheet, draft: Draft, when: str) -> None:
    now, before = sheet.numbers[0], sheet.numbers[1]
    change = "change_pct" if sheet.has("change_pct") else "change_points"
    draft.say(f"{title(reading.measure.name if reading else now)} in both periods{when}, later against earlier:")
    parts = [
        (f"{draft.row_name(sheet, i, sheet.labels)} {draft.cite(sheet, i, now)} against {draft.cite(sheet, i, before)}")
        + (f" (change {draft.cite(sheet, i, change)})" if sheet.has(change) else "")
        for i in range(min(6, len(sheet.rows)))
    ]
    draft.say("; ".join(parts) + ".")


def _funnel(reading: Reading | None, sheet: Sheet, draft: Draft, when: str) -> None:
    figure = next(c for c in sheet.numbers if not c.startswith("pct_"))
    groups = [c for c in sheet.labels if c != "step"]
    parts = [
        (
            f"{draft.row_name(sheet, i, [*groups, 'step'])} {draft.cite(sheet, i, figure)} "
            f"({draft.cite(sheet, i, 'pct_of_first')} of the first step)"
        )
        for i in range(min(12, len(sheet.rows)))
    ]
    draft.say(f"{title(figure)} that reach each step{when}: {'; '.join(parts)}.")


def _anomaly(reading: Reading | None, sheet: Sheet, draft: Draft, when: str) -> None:
    figure = sheet.numbers[0]
    draft.say(
        f"The period farthest from its usual level{when} is {draft.row_name(sheet, 0, sheet.labels)}: "
        f"{title(figure).lower()} "
        f"{draft.cite(sheet, 0, figure)} against a usual level of {draft.cite(sheet, 0, 'usual_level')}, "
        f"a distance of {draft.cite(sheet, 0, 'deviation_pct')} (z-score {draft.cite(sheet, 0, 'z_score')})."
    )
    if len(sheet.rows) > 1:
        draft.say(
            f"Next is {draft.row_name(sheet, 1, sheet.labels)} with a z-score of {draft.cite(sheet, 1, 'z_score')}."
        )
    draft.say("The usual level is the average of the neighbouring periods.")


_DESCRIBERS: dict[str, Callable[[Reading | None, Sheet, Draft, str], None]] = {
    "anomaly": _anomaly, "funnel": _funnel, "comparison": _comparison, "series": _series, "groups": _groups,
    "compared groups": _compared_groups, "one": _one_row,
}  # fmt: skip


def _remarks(reading: Reading | None, sheets: Sequence[Sheet], draft: Draft, scheduled: bool) -> None:
    if reading:
        for assumption in reading.assumptions:
            draft.say(f"Assumption: {assumption}.")
    if any(s.has("week") and len(s.rows) > 2 for s in sheets) and reading and reading.form is Form.TREND:
        draft.say("The first and the last week may be incomplete.")
    if any(s.truncated for s in sheets):
        draft.say("The result has more rows than were read for this summary.")
    if scheduled:
        draft.say("A follow-up was proposed; it starts when somebody accepts it.")


def _chart(reading: Reading | None, sheet: Sheet) -> Json:
    """A line for a series, bars for groups, none for a single figure."""
    figures = [c for c in sheet.numbers if not c.startswith(("change", "z_score", "pct_", "share_pct", "deviation"))]
    labels = sheet.labels or (sheet.columns[:1] if sheet.has("hour") else ())
    if len(sheet.rows) < 2 or not figures or not labels:
        return {"kind": "none", "query": "", "x": "", "y": [], "title": ""}
    series = labels[0] in _PERIODS and len(labels) == 1 and not sheet.has("z_score")
    label = labels[0] if series else next((c for c in labels if not c.endswith("_id")), labels[0])
    count = 2 if reading and reading.form is Form.COMPARISON else 1
    name = " and ".join(title(m.name) for m in reading.measures) if reading else title(figures[0])
    return {
        "kind": "line" if series and not (reading and reading.form is Form.RANKING) else "bar", "query": sheet.query,
        "x": label, "y": figures[:count], "title": f"{name} by {title(label).lower()}",
    }  # fmt: skip
