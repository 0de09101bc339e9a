"""The commands of follow-ups: `followups`, and `followups show`, `accept`, `decline`, `add`, `stop`, `sign`.

Edge module. A follow-up is named by its id (f-…), or by the run that it belongs to.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bq_copilot import codes, following_up, key_files
from bq_copilot.amounts import size
from bq_copilot.cli.options import Code, Environment, Json, RunId
from bq_copilot.cli.output import console, put_json, say
from bq_copilot.client import Copilot
from bq_copilot.errors import Refused
from bq_copilot.grant_terms import digest_of_terms
from bq_copilot.installation import home_of
from bq_copilot.local_user import local_user
from bq_copilot.safe_text import safe
from bq_copilot.series_client import FollowUps
from bq_copilot.series_views import RanView, SeriesHistoryView, SeriesView, chart_of

app = typer.Typer()
followups_app = typer.Typer(help="Questions that are asked again on a schedule.")
app.add_typer(followups_app, name="followups", invoke_without_command=True)

Series = Annotated[str, typer.Argument(metavar="SERIES", help="Id of the follow-up, f-…, or of its run, r-….")]
Reason = Annotated[str, typer.Option(help="Why, for the receipt.")]
Percent = Annotated[
    float | None, typer.Option("--if-changed", min=0, help="Tell only of a change by more than this %.")
]
Until = Annotated[str, typer.Option(help="Last day on which it may run, YYYY-MM-DD.")]
When = Annotated[str, typer.Option(help="Another rhythm, e.g. `every Monday at 08:00`; UTC.")]
PerRun = Annotated[int, typer.Option(min=0, help="For a grant: at most so many MiB a run; as offered by default.")]
Total = Annotated[int, typer.Option(min=0, help="For a grant: at most so many MiB in all; as offered by default.")]


def _open(series: str, environment: str) -> tuple[FollowUps, str]:
    followups = Copilot(environment=environment, via="cli").followups
    return followups, followups.of_run(series) if series.startswith("r-") else series


@followups_app.callback()
def followups(
    ctx: typer.Context,
    all: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """List follow-ups: what waits to be accepted, and what is scheduled."""
    if ctx.invoked_subcommand is not None:
        return
    found = Copilot(environment=environment, via="cli").followups.list(all=all)
    if json:
        put_json({"follow_ups": found})
        return
    _list(console(), found)


@followups_app.command()
def show(
    series: Series,
    chart: Annotated[Path | None, typer.Option(help="Draw the line over its runs into this .svg or .png file.")] = None,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Show a follow-up: its terms, what is left of its grant, and its figure over all runs."""
    followups, name = _open(series, environment)
    view = followups.show(name)
    if chart is not None:
        from bq_copilot.charts import write_chart  # noqa: PLC0415 - loads matplotlib

        write_chart(*chart_of(view), chart)
    if json:
        put_json(view)
        return
    _show(console(), view)
    if chart is not None:
        say(f"Chart written to {chart}.")


@followups_app.command()
def accept(  # noqa: PLR0913, PLR0917 - one parameter an option
    series: Series,
    when: When = "",
    until: Until = "",
    if_changed: Percent = None,
    grant: Annotated[bool, typer.Option("--grant", help="Give the standing grant: its runs do not ask.")] = False,
    mib_per_run: PerRun = 0,
    mib_in_total: Total = 0,
    reason: Reason = "",
    code: Code = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Accept a follow-up: it is scheduled. With --grant its runs need no further approval inside what is granted."""
    followups, name = _open(series, environment)
    view = followups.accept(
        name,
        when=when,
        until=_day(until),
        if_changed_by_percent=if_changed,
        grant=grant,
        bytes_per_run=mib_per_run * 2**20,
        bytes_total=mib_in_total * 2**20,
        reason=reason,
        code=code,
    )
    _told(followups, view, f"{name} is accepted.", as_json=json)


@followups_app.command()
def decline(series: Series, reason: Reason = "", json: Json = False, environment: Environment = "default") -> None:
    """Decline a follow-up; nothing is scheduled."""
    followups, name = _open(series, environment)
    _told(followups, followups.decline(name, reason), f"{name} is declined.", as_json=json)


@followups_app.command()
def stop(series: Series, reason: Reason = "", json: Json = False, environment: Environment = "default") -> None:
    """Stop a follow-up: nothing of it starts any more, and its grant is over."""
    followups, name = _open(series, environment)
    _told(followups, followups.stop(name, reason), f"{name} is stopped.", as_json=json)


@followups_app.command()
def add(
    run: RunId,
    when: Annotated[str, typer.Argument(help="When, e.g. `every Monday at 08:00 if it changed by more than 5 %`.")],
    question: Annotated[str, typer.Option(help="What to ask; the run's question by default.")] = "",
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Propose a follow-up of an answered run yourself; `followups accept` schedules it."""
    followups = Copilot(environment=environment, via="cli").followups
    view = followups.show(followups.add(run, when, question))
    _told(followups, view, f"Accept it: bq-copilot followups accept {view['follow_up']['series']}", as_json=json)


@followups_app.command()
def sign(  # noqa: PLR0913, PLR0917 - one parameter an option
    series: Series,
    when: When = "",
    until: Until = "",
    if_changed: Percent = None,
    mib_per_run: PerRun = 0,
    mib_in_total: Total = 0,
    name: Annotated[str, typer.Option("--as", help="Whose key to sign with.")] = "",
    minutes: Annotated[int, typer.Option(min=1, help="How long the code can be used.")] = 60,
    environment: Environment = "default",
) -> None:
    """Make your approval code for a standing grant on these terms; give the same terms to `followups accept`."""
    followups, found = _open(series, environment)
    who, asked = name or local_user(), followups.requested(found)
    terms = following_up.Terms(
        when=when,
        until=_day(until),
        percent=if_changed,
        grant=True,
        bytes_per_run=mib_per_run * 2**20,
        bytes_total=mib_in_total * 2**20,
    )
    now = Copilot(environment=environment, via="cli").installation.reader.now()
    granted = following_up.terms_of(asked, terms, now)[3]
    assert granted is not None
    ends = int((now + timedelta(minutes=minutes)).timestamp())
    signed = codes.Signed(granted.series, digest_of_terms(granted), "approve", who, ends)
    typer.echo(codes.sign(key_files.read(home_of(os.environ), who), signed))


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(hour=23, minute=59, second=59, tzinfo=UTC)
    except ValueError:
        raise Refused(f"{text} is no day.", code="edit_invalid", next="Write it as YYYY-MM-DD.") from None


def _told(followups: FollowUps, view: SeriesHistoryView, text: str, *, as_json: bool) -> None:
    if as_json:
        put_json(view)
        return
    say(text)
    if not followups.woken.ok:
        say(f"It stands, but {followups.woken.why}.", "yellow")


def _list(out: Console, found: list[SeriesView]) -> None:
    if not found:
        out.print(Text('There are no follow-ups. Add one: bq-copilot followups add RUN "every Monday"'))
        return
    for one in found:
        out.print(Text.assemble((one["series"], "bold"), f" · {one['stands']} · {safe(one['question'])}"))
        out.print(Text(f"  {one['rhythm']}, until {one['until'][:10]} · {one['runs']} runs · of {one['parent_run']}"))
        verb = "accept" if one["stands"] == "proposed" else "stop"
        out.print(
            Text(f"  bq-copilot followups show {one['series']}   bq-copilot followups {verb} {one['series']}", "dim")
        )


def _show(out: Console, view: SeriesHistoryView) -> None:
    one = view["follow_up"]
    out.print(Text.assemble((one["series"], "bold"), f" · {one['stands']} · {safe(one['question'])}"))
    percent = one["if_changed_by_percent"]
    told = "every time" if percent is None else f"of changes by more than {percent:g} %"
    out.print(Text(f"{one['rhythm']}, until {one['until'][:10]}; tells {told}; of {one['parent_run']}"))
    grant = one["grant"]
    if grant:
        left = f"{size(grant['bytes_left'])} of {size(grant['bytes_total'])} left, {size(grant['bytes_per_run'])} a run"
        ended = "ended" if grant["ended"] else f"until {grant['until'][:10]}"
        out.print(Text(f"Standing grant of {safe(grant['given_by'])}: {left}, {grant['uses']} uses, {ended}"))
    elif one["stands"] == "scheduled":
        out.print(Text("No standing grant: each run asks for its approval."))
    if not view["history"]:
        return
    out.print(_history(view["history"]))
    chart, columns, rows = chart_of(view)
    if len(rows) > 1:
        from bq_copilot.charts import terminal_chart  # noqa: PLC0415 - loads plotext

        out.print(Text(terminal_chart(chart, columns, rows, width=72, height=12)))


def _history(history: list[RanView]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("due", "run", "outcome", "figure", "change", "billed", ""):
        table.add_column(name, justify="right" if name in {"figure", "change", "billed"} else "left")
    for ran in history:
        change = "" if ran["change_percent"] is None else f"{ran['change_percent']:+.2f} %"
        how = [w for w, on in (("granted", ran["granted"]), ("reused", ran["reused"]), ("told", ran["told"])) if on]
        table.add_row(
            ran["due"][:16].replace("T", " "),
            ran["run_id"] or "-",
            ran["outcome"],
            "" if ran["figure"] is None else f"{ran['figure']:,.2f}",
            change,
            size(ran["bytes_billed"]),
            ", ".join(how) if ran["outcome"] == "completed" else Text(safe(ran["why"]), overflow="ellipsis"),
        )
    return table
