"""The report of an evaluation: JSON that can be compared with later ones, a page of HTML, and lines for a terminal.

Only form; what counts as right stands in `scoring`. Questions and reasons are escaped: they are texts from elsewhere.
"""

from __future__ import annotations

from html import escape

from pydantic import BaseModel, ConfigDict

from bq_copilot.evals.scoring import GROUPS, Figures, Score, by_group

SHOWN = 10
"""Questions with a refused expectation that a terminal lists; the report has all."""


class Report(BaseModel):
    """One evaluation of one set by one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    suite_fingerprint: str
    label: str
    model: str
    prompt_fingerprint: str
    code_version: str
    sandbox: bool
    made_at: str
    scores: tuple[Score, ...]

    @property
    def groups(self) -> dict[str, Figures]:
        """The figures by kind of question."""
        return by_group(self.scores)


def lines(report: Report, before: Report | None = None) -> list[tuple[str, ...]]:
    """Return the table of a terminal: what, right of how many, share, and the share of the report before."""
    then = before.groups if before else {}
    rows: list[tuple[str, ...]] = []
    for name, words in (*GROUPS, ("all", "all questions")):
        found = report.groups.get(name)
        if found is not None and (found.questions or name == "all"):
            old = then.get(name)
            rows.append((words, f"{found.right}/{found.questions}", _share(found), _share(old) if before else ""))
    lost = report.groups["all"].not_answered
    return [*rows, ("not answered, in no share", str(lost), "", "")] if lost else rows


def notes(report: Report, asked: int) -> list[tuple[str, str]]:
    """Return what is to be said of questions that were not judged, each with a style: why, and what to do."""
    refused = [s for s in report.scores if s.expectation]
    lost = [s for s in report.scores if s.unanswered and not s.expectation]
    left = asked - len(report.scores) + len(lost)
    said: list[tuple[str, str]] = []
    if lost:
        words = f"{len(lost)} of {asked} questions have no outcome and are in no share ({lost[0].unanswered})."
        said.append((words, "red"))
    if left:
        said.append((f"{left} of {asked} questions are left: the same command goes on with them.", "yellow"))
    if refused:
        begins = f"{len(refused)} of {asked} questions have an expected query that is refused, and are in no share."
        said.append((f"{begins} Mend their `sql` in the set; asking again changes nothing:", "red"))
        said += [(f"  {s.id}: {s.expectation}", "red") for s in refused[:SHOWN]]
        said += [(f"  … and {len(refused) - SHOWN} more", "red")] if len(refused) > SHOWN else []
    return said


def _share(found: Figures | None) -> str:
    return "" if found is None or found.share is None else f"{found.share:.3f}"


def spent(report: Report) -> str:
    """Return what it cost, in words."""
    found = report.groups["all"]
    recall = "" if found.table_recall is None else f"table recall {found.table_recall:.3f} · "
    retrieved = "" if found.retrieved is None else f"in the briefing {found.retrieved:.3f} · "
    return (
        f"{recall}{retrieved}median {found.median_seconds} s, slowest {found.slowest_seconds} s · "
        f"{found.tokens:,} tokens, ${found.usd:.4f} · {found.bytes_billed:,} bytes billed"
    )


_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #d8dee6;vertical-align:top}.no{background:#fdecea}.maybe{background:#fff6dd}.q{color:#5b6b7c}"""


def html(report: Report, before: Report | None = None) -> str:
    """Return the report as one page that needs nothing else."""
    old = {s.id: s for s in before.scores} if before else {}
    head = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in lines(report, before))
    body = "".join(_row(s, old.get(s.id)) for s in sorted(report.scores, key=lambda s: (s.right, s.kind, s.id)))
    where = "Sandbox: these figures come from the local sandbox, not from BigQuery. " if report.sandbox else ""
    title = f"{escape(report.name)}: {escape(report.model)}"
    compared = f"<th>{escape(before.label)}</th>" if before else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{where}Made {escape(report.made_at)}, version {escape(report.code_version)}, "
        f"label {escape(report.label)}. {escape(spent(report))}</p>"
        f"<table><tr><th>what</th><th>right</th><th>share</th>{compared}</tr>{head}</table>"
        f"<table><tr><th>question</th><th>kind</th><th>outcome</th><th>run</th><th>s</th><th>tokens</th></tr>{body}</table>"
    )


def _row(s: Score, old: Score | None) -> str:
    changed = "" if old is None or old.right == s.right else (" (was wrong)" if s.right else " (was right)")
    outcome = "right" if s.right else s.why
    kind = "" if s.right else "maybe" if s.unanswered else "no"
    cells = [
        f'{escape(s.id)}<br><span class="q">{escape(s.question)}</span>',
        escape(s.kind + (", held out" if s.held_out else "")),
        escape(outcome + changed),
        f"<code>{escape(s.run_id)}</code>",
        f"{s.seconds}",
        f"{s.tokens:,}",
    ]
    return f'<tr class="{kind}">{"".join(f"<td>{c}</td>" for c in cells)}</tr>'
