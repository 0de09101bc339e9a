"""One run for people: where it stands, its card while it waits, its answer, what it cost, its receipts."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bq_copilot.amounts import counted, money, size
from bq_copilot.card_blocks import Card
from bq_copilot.cli.render_card import render_card
from bq_copilot.cli.wordings import PHASE_STYLE, cell
from bq_copilot.notice_views import told_words
from bq_copilot.safe_text import clip, safe
from bq_copilot.view_types import AnswerView, ShowView

SHOWN_ROWS = 20
NUMERIC = frozenset({"INTEGER", "INT64", "FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC"})


def render_run(console: Console, view: ShowView, card: Card = ()) -> None:
    """Print everything that a reader of one run needs; `card` is that of the open request."""
    _head(console, view)
    if view["question_open"]:
        _question(console, view)
    if view["approval"] and view["approval"]["open"]:
        render_card(console, card)
        _how_to_decide(console, view)
    for notice in view["notices"]:
        console.print(Text(safe(told_words(notice)), style="dim" if notice["state"] == "told" else "yellow"))
    _jobs(console, view)
    render_outcome(console, view)


def render_outcome(console: Console, view: ShowView) -> None:
    """Print how the run came out: the answer or the reason why there is none, the cost, the receipts."""
    if view["answer"]:
        _answer(console, view, view["answer"])
    elif view["parts"]:
        _parts(console, view)
    if view["error"]:
        style = PHASE_STYLE.get(view["phase"], "red")
        said, phase = safe(view["error"]["message"]), view["phase"]
        console.print(Text(said if said.startswith(phase) else f"{phase}: {said}", style=style))
        if view["error"]["next"]:
            console.print(Text(f"→ {safe(view['error']['next'])}"))
    for follow_up in view["follow_ups"]:
        console.print(Text(f"Follow-up, {safe(follow_up['when'])}: {safe(follow_up['question'])}"))
        if follow_up["series"]:
            verb = "show" if follow_up["decided"] else "accept"
            console.print(Text(f"  bq-copilot followups {verb} {follow_up['series']}", "dim"))
    spent = view["spent"]
    cost = f"{counted(spent['turns'], 'turn')}, {spent['tokens']:,} tokens, {money(spent['usd'])} for the model, "
    console.print(Text(f"{cost}{size(spent['bytes_billed'])} billed", style="dim"))
    _receipts(console, view)


def _head(console: Console, view: ShowView) -> None:
    phase = (view["phase"], PHASE_STYLE.get(view["phase"], "bold"))
    console.print(Text.assemble((view["run_id"], "bold"), " · ", phase, f" · {safe(view['question'])}"))
    ended = view["ended_at"] is not None
    if not ended:
        console.print(Text(f"The run {safe(view['step'])}.", style="dim"))
    if view["waiting"] and not ended:
        wait = view["waiting"]
        until = f"{datetime.fromisoformat(wait['until']):%H:%M:%S} UTC"
        console.print(Text(f"waiting: {safe(wait['reason'])}, next try {until}", style="yellow"))


def _question(console: Console, view: ShowView) -> None:
    asked = view["question_open"]
    assert asked is not None
    console.print(Text(f"Question for you: {safe(asked['question'])}", style="yellow"))
    for option in asked["options"]:
        console.print(Text(f"  - {safe(option)}"))
    console.print(Text(f'  bq-copilot answer {view["run_id"]} "…"', style="dim"))


def _how_to_decide(console: Console, view: ShowView) -> None:
    run = view["run_id"]
    console.print(Text(f"  bq-copilot approve {run}", style="dim"))
    console.print(Text(f'  bq-copilot reject {run} --reason "…"', style="dim"))
    console.print(Text(f"  bq-copilot edit {run} --sql-file FILE", style="dim"))


def _jobs(console: Console, view: ShowView) -> None:
    for job in view["jobs"]:
        adopted = ", adopted" if job["adopted"] else ""
        line = f"{job['query']}: job {job['job_id']} in {job['location']}, attempt {job['attempt']}, "
        line += f"{job['state']}{adopted}, {size(job['bytes_billed'])} billed"
        console.print(Text(safe(line), style="dim"))
        if job["error"]:
            console.print(Text(f"  {safe(job['error']['message'])}", style="red"))


def _answer(console: Console, view: ShowView, answer: AnswerView) -> None:
    console.print()
    if view["sandbox"]:
        console.print(Text("Figures come from the sandbox, not from BigQuery.", style="yellow"))
    console.print(_marked(answer))
    console.print()
    if answer["columns"]:
        _table(console, answer)
    _chart(console, answer)
    for c in answer["citations"]:
        mark = "✓" if c["supported"] else "✗"
        where = f"{c['query']} row {c['row']}, {c['column']} (job {c['job_id'] or '?'})"
        text = f"{mark} {clip(c['figure'], 60)} ← {safe(where)} = {clip(c['value'], 60)}"
        console.print(Text(text, style="dim" if c["supported"] else "red"))
    if answer["unsupported"]:
        figures = ", ".join(safe(f) for f in answer["unsupported"])
        console.print(Text(f"unsupported (in no cited cell): {figures}", style="bold red"))


def _marked(answer: AnswerView) -> Text:
    """The summary, with every unsupported figure marked where it stands."""
    text = Text(safe(answer["summary"], lines=True))
    for figure in answer["unsupported"]:
        text.highlight_words([safe(figure)], style="bold red underline")
    return text


def _table(console: Console, answer: AnswerView) -> None:
    table = Table(header_style="bold", show_edge=False)
    for column in answer["columns"]:
        numeric = column["type"] in NUMERIC
        table.add_column(Text(clip(column["name"], 40)), justify="right" if numeric else "left")
    shown = answer["rows"][:SHOWN_ROWS]
    for row in shown:
        table.add_row(*(Text(clip(cell(value), 80)) for value in row))
    console.print(table)
    console.print(Text(_counted(answer, len(shown)), style="dim"))


def _counted(answer: AnswerView, shown: int) -> str:
    """Say how much of the result is on the screen, and how much of it was kept at all."""
    count = answer["row_count"]
    if shown == count:
        return f"{answer['query']}: {counted(count, 'row')}"
    kept = f"; {len(answer['rows']):,} are stored, the rest is in the result table" if answer["truncated"] else ""
    return f"{answer['query']}: truncated, {shown:,} of {count:,} rows shown{kept}"


def _chart(console: Console, answer: AnswerView) -> None:
    if answer["chart"] is None or not answer["rows"]:
        return
    from bq_copilot.charts import terminal_chart  # noqa: PLC0415 - loads plotext, wanted only with a chart

    names = [c["name"] for c in answer["columns"]]
    drawn = terminal_chart(answer["chart"], names, answer["rows"], width=min(console.width, 100))
    if drawn:
        console.print(Text(drawn))


def _parts(console: Console, view: ShowView) -> None:
    """What finished and what did not, with the bytes of each and what a retry would do."""
    table = Table(header_style="bold", show_edge=False)
    for name in ("query", "state", "rows", "billed", "retry"):
        table.add_column(name, justify="right" if name in {"rows", "billed"} else "left")
    rows = {r["query"]: f"{r['row_count']:,}" for r in view["results"]}
    for part in view["parts"]:
        billed = size(part["bytes_billed"]) if part["bytes_billed"] else "0 B"
        state = part["state"].replace("_", " ")
        table.add_row(Text(safe(part["query"])), state, rows.get(part["query"], ""), billed, Text(part["advice"]))
    console.print(table)


def _receipts(console: Console, view: ShowView) -> None:
    receipts = view["receipts"]
    if receipts is None:
        return
    if receipts["verified"]:
        head = receipts["head"].removeprefix("sha256:")[:12]
        console.print(Text(f"receipts verified: {receipts['rows']} rows, head {head}…", style="green"))
    else:
        console.print(Text(safe(receipts["problem"] or "receipts do not verify"), style="bold red"))
