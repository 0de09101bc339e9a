"""The commands that only look: show, runs, pending, trace, verify, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bq_copilot.amounts import size
from bq_copilot.cli.options import Environment, Json, RunId
from bq_copilot.cli.output import DONE, FAILED, console, put_json, say
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import Refused
from bq_copilot.phases import Phase
from bq_copilot.view_types import ShowView


def show(
    run: RunId,
    chart: Annotated[Path | None, typer.Option(help="Draw the answer's chart into this .svg or .png file.")] = None,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Show one run: where it stands, what waits, its answer, its receipts."""
    handle = Copilot(environment=environment, via="cli").run(run)
    view = handle.show()
    if chart is not None:
        _draw(view, chart)
    if json:
        put_json(view)
        return
    from bq_copilot.cli.render_run import render_run  # noqa: PLC0415 - drawing tables; JSON does not need it

    render_run(console(), view, handle.card())
    if chart is not None:
        say(f"Chart written to {chart}.")


def _draw(view: ShowView, path: Path) -> None:
    answer = view["answer"]
    if answer is None or answer["chart"] is None:
        raise Refused(f"{view['run_id']} has no chart to draw.", code="chart_invalid")
    from bq_copilot.charts import write_chart  # noqa: PLC0415 - loads matplotlib

    write_chart(answer["chart"], [c["name"] for c in answer["columns"]], answer["rows"], path)


def runs(
    phase: Annotated[list[str] | None, typer.Option(help="Only runs in this phase; may be repeated.")] = None,
    requester: Annotated[str, typer.Option(help="Only runs of this person.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many, newest first.")] = 20,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """List runs, newest first."""
    phases = [_phase(p) for p in phase or []]
    found = Copilot(environment=environment, via="cli").runs(phases=phases, requester=requester, limit=limit)
    if json:
        put_json({"runs": found})
        return
    from bq_copilot.cli.render_lists import render_runs  # noqa: PLC0415 - drawing tables; JSON does not need it

    render_runs(console(), found)


def _phase(name: str) -> str:
    try:
        return Phase(name)
    except ValueError:
        raise typer.BadParameter(f"{name} is no phase; phases are {', '.join(Phase)}.") from None


def pending(json: Json = False, environment: Environment = "default") -> None:
    """List what waits for a person: approvals and clarifying questions."""
    found = Copilot(environment=environment, via="cli").pending()
    if json:
        put_json({"pending": found})
        return
    from bq_copilot.cli.render_lists import render_pending  # noqa: PLC0415 - see runs

    render_pending(console(), found)


def trace(
    run: RunId,
    html: Annotated[Path | None, typer.Option(help="Write it as one HTML page into this file.")] = None,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Show the history of one run: phases, steps, turns, plans, decisions, jobs, and every event."""
    handle = Copilot(environment=environment, via="cli").run(run)
    if html is not None:
        _write(html, handle.trace_page())
    if json:
        put_json(handle.trace())
    elif html is not None:
        say(f"Written to {html}.")
    else:
        from bq_copilot.cli.render_trace import render_trace  # noqa: PLC0415 - see runs

        render_trace(console(), handle.trace())


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.", code="bad_file") from error


def verify(
    run: Annotated[str, typer.Argument(metavar="[RUN|FILE.zip]", help="Id of the run, or an exported one.")] = "",
    all: Annotated[bool, typer.Option("--all", help="Check every run of the ledger.")] = False,
    key: Annotated[
        list[str] | None, typer.Option(help="Public key that must have signed each head, ed25519:…; repeated: any.")
    ] = None,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Check the receipts: hash chain, approvals, stored texts, signature. Names the first row that does not fit."""
    if bool(run) is all:
        raise typer.BadParameter("name one run, or give --all.")
    if run.endswith(".zip"):
        from bq_copilot.checks import check_bundle  # noqa: PLC0415 - needs no installation, and no ledger

        found = [check_bundle(Path(run), ",".join(key or ()))]
    else:
        found = Copilot(environment=environment, via="cli").verify(run or None, key=",".join(key or ()))
    good = not any(not c["verified"] for c in found)
    if json:
        put_json({"verified": good, "runs": found})
    else:
        from bq_copilot.cli.render_lists import render_checks  # noqa: PLC0415 - see runs

        render_checks(console(), found)
    raise typer.Exit(DONE if good else FAILED)


def export(
    run: RunId,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="FILE.zip (all receipts), FILE.csv or FILE.parquet.")
    ] = None,
    table: Annotated[str, typer.Option(help="Instead of a file: [[PROJECT.]DATASET.]TABLE.")] = "",
    days: Annotated[float, typer.Option(help="With --table: days after which the table expires.")] = 7.0,
    query: Annotated[str, typer.Option(help="Not for .zip: which result; the answer's own by default.")] = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Write a run with its receipts, or one of its results, into a file; or a result into a table that expires."""
    handle = Copilot(environment=environment, via="cli").run(run)
    if (out is None) == (not table):
        raise typer.BadParameter("give either --out FILE or --table NAME")
    if out is None:
        _export_table(handle, table, query, days, as_json=json)
        return
    found = handle.export(out, query or None)
    if json:
        put_json(found)
        return
    if found["query"] is None:
        say(f"{found['file']}: {found['rows']} rows of the ledger.")
        say(f"Check it anywhere: bq-copilot verify {found['file']}", "dim")
        return
    say(f"{found['file']}: {found['query']}, {found['rows']:,} rows")
    if found["truncated"]:
        rest = f"; all of them are in {found['table']} until it expires" if found["table"] else ""
        say(f"truncated: {found['rows']:,} of {found['row_count']:,} rows are stored{rest}.", "yellow")


def _export_table(handle: RunHandle, table: str, query: str, days: float, *, as_json: bool) -> None:
    found = handle.export_table(table, query, days=days)
    if as_json:
        put_json(found)
        return
    until = f"until {found['expires_at'][:16].replace('T', ' ')} UTC"
    say(f"{found['table']}: {found['query']}, {until}; {size(found['bytes_billed'])} billed")
