"""The commands around approvals: `sign`, `keys create`, `keys show`, `approvals stats`.

Edge module. Signing reads the ledger and a key file and writes neither; the code it prints does nothing until somebody
uses it. The card is shown before it is signed, on standard error, so that the code alone can be piped.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from bq_copilot import codes, key_files, permission, signatures, views
from bq_copilot.approval import detail_of
from bq_copilot.approval_stats import ApprovalFigures, DecisionFigures, figures
from bq_copilot.card import card_of
from bq_copilot.card_terminal import to_terminal
from bq_copilot.cli.options import Digest, Environment, Json
from bq_copilot.cli.output import console, put_json, say
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import Refused
from bq_copilot.installation import home_of
from bq_copilot.local_user import local_user
from bq_copilot.phases import Phase
from bq_copilot.safe_text import safe
from bq_copilot.state import Plan

app = typer.Typer()
keys_app = typer.Typer(no_args_is_help=True, help="The key that your approval codes are signed with.")
approvals_app = typer.Typer(no_args_is_help=True, help="Figures about approvals.")
app.add_typer(keys_app, name="keys")
app.add_typer(approvals_app, name="approvals")

Name = Annotated[str, typer.Option("--as", help="Whose key to sign with; by default this computer's user's.")]
Minutes = Annotated[int, typer.Option(min=1, max=7 * 24 * 60, help="How long the code can be used.")]


Verdict = Literal["approve", "reject", "edit", "delegate"]


@app.command()
def sign(  # noqa: PLR0913, PLR0917 - one parameter an option
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the approval request, or of its run.")],
    verdict: Annotated[
        Literal["approve", "reject", "edit", "delegate"], typer.Option(help="What it is for.")
    ] = "approve",
    name: Name = "",
    minutes: Minutes = 60,
    digest: Digest = "",
    sql_file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="For edit: the new SQL.")] = None,
    query: Annotated[str, typer.Option(help="For edit: which query, if there are several.")] = "",
    to: Annotated[str, typer.Option(help="For delegate: who decides instead of you.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before signing.")] = False,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Make your approval code for a request: it holds for this verdict on exactly this digest, once."""
    copilot = Copilot(environment=environment, via="cli")
    run, now = copilot.run(request.rsplit(".", 1)[0]), copilot.installation.reader.now()
    plan = _open(run, request, digest)
    who = name or local_user()
    pem = key_files.read(home_of(os.environ), who)
    _check_known(plan, who, pem)
    sql: tuple[tuple[str, str], ...] = _edit(plan, query, sql_file) if verdict == "edit" else ()
    if not json:
        console(err=True).print(to_terminal(card_of(plan, run.state.earlier, now)))
    if not (yes or json) and not typer.confirm(f"Sign {verdict!r} as {who}?", err=True):
        raise typer.Abort
    ends = _ends(plan, now, minutes)
    signed = _signed(plan, verdict, who, ends, detail_of(verdict, sql, to))
    code = codes.sign(pem, signed)
    if json:
        more = {"request_id": signed.request_id, "digest": signed.digest, "by": who, "expires_at": ends.isoformat()}
        put_json({"code": code, **more})
        return
    typer.echo(code)


def _open(run: RunHandle, request: str, digest: str) -> Plan:
    state = run.state
    plan = views.newest_request(state)
    if plan is None or plan.request is None or state.phase is not Phase.AWAITING_APPROVAL:
        raise Refused(f"No approval is waited for; the run is {state.phase}.", code="nothing_to_decide")
    if request not in {run.run_id, plan.request.request_id}:
        raise Refused(f"The open request is {plan.request.request_id}.", code="other_request")
    if digest and not plan.digest.removeprefix("sha256:").startswith(digest.removeprefix("sha256:").rstrip("…")):
        raise Refused(
            f"The open request has digest {plan.digest}, not the one you saw.",
            code="other_request",
            next="Read it again with `bq-copilot show`, then sign.",
        )
    return plan


def _check_known(plan: Plan, who: str, pem: str) -> None:
    """Say now, not when the code is used, that the policy does not know this key."""
    assert plan.request is not None
    known, public = permission.person(plan.request.approvers, who), signatures.public_key(pem)
    if known is None or known.key != public:
        raise Refused(
            f"The policy of this run does not list {who} with this key.",
            code="code_unknown_key",
            next=f"The policy's owner adds under approvals.people: {who}: {{key: {public!r}}}, for new requests.",
        )


def _edit(plan: Plan, query: str, sql_file: Path | None) -> tuple[tuple[str, str], ...]:
    names = [q.id for q in plan.queries]
    if sql_file is None or (not query and len(names) > 1):
        raise typer.BadParameter("an edit needs --sql-file, and --query where there are several.")
    return ((query or names[0], sql_file.read_text(encoding="utf-8")),)


def _ends(plan: Plan, now: datetime, minutes: int) -> datetime:
    """Return when the code ends: after `minutes`, and never later than the request."""
    assert plan.request is not None
    return min(now + timedelta(minutes=minutes), plan.request.expires_at).replace(microsecond=0)


def _signed(plan: Plan, verdict: Verdict, who: str, ends: datetime, detail: str) -> codes.Signed:
    assert plan.request is not None
    return codes.Signed(plan.request.request_id, plan.digest, verdict, who, int(ends.timestamp()), detail)


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Your name as the policy writes it.")] = "", json: Json = False
) -> None:
    """Make your key; the private half stays in a file that only you can read."""
    who = name or local_user()
    path, public = key_files.create(home_of(os.environ), who)
    if json:
        put_json({"name": who, "file": str(path), "key": public})
        return
    say(f"The private key is {path}. Keep it to yourself.", err=True)
    typer.echo(f"To sign the ledger with it: BQ_COPILOT_SIGNING_KEY={path}", err=True)
    say("To approve with codes: put this into the policy, under approvals.people:", err=True)
    typer.echo(f"{who}: {{key: {public!r}}}")


@keys_app.command("show")
def show_key(name: Annotated[str, typer.Argument(help="Whose key.")] = "", json: Json = False) -> None:
    """Print the public half of your key again, and its fingerprint."""
    who = name or local_user()
    public = signatures.public_key(key_files.read(home_of(os.environ), who))
    if json:
        put_json({"name": who, "key": public, "fingerprint": codes.fingerprint(public)})
        return
    typer.echo(f"{who}: {{key: {public!r}}}  # fingerprint {codes.fingerprint(public)}")


@approvals_app.command("stats")
def stats(
    days: Annotated[int, typer.Option(min=0, help="Only requests of the last days; 0 for all.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most this many runs, newest first.")] = 10_000,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Say how often people are asked, how fast they decide, and whether they notice canaries."""
    reader = Copilot(environment=environment, via="cli").installation.reader
    since = reader.now() - timedelta(days=days) if days else None
    found = figures((reader.read(head.run_id) for head in reader.heads(limit=limit)), since)
    if json:
        put_json(found)
        return
    _print(found)


def _print(found: ApprovalFigures) -> None:
    per = found["asked_per_100_runs"]
    say(
        f"{found['runs']} runs, {found['asked']} approvals asked"
        + (f" ({per} per 100 runs)" if per is not None else "")
    )
    say(f"{found['automatic']} approved by policy, {found['expired']} expired, {found['voided']} voided")
    if found["refused_attempts"]:
        say("refused attempts: " + ", ".join(f"{code} {n}" for code, n in found["refused_attempts"].items()))
    table = Table(box=None, pad_edge=False)
    for column in ("approver", "decided", "approved", "rate", "median s", "p95 s", "under 2 s", "canaries caught"):
        table.add_column(column, justify="left" if column == "approver" else "right")
    for name, one in (*found["by_approver"].items(), ("all", found["all"])):
        table.add_row(safe(name), *_cells(one))
    console().print(table)


def _cells(one: DecisionFigures) -> tuple[str, ...]:
    caught = f"{one['canaries_caught']} of {one['canaries_shown']}" if one["canaries_shown"] else "-"
    rate = one["approval_rate"]
    return (
        str(one["decided"]),
        str(one["approved"]),
        "-" if rate is None else f"{100 * rate:.0f} %",
        _seconds(one["seconds_median"]),
        _seconds(one["seconds_p95"]),
        str(one["approved_under_2s"]),
        caught,
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
