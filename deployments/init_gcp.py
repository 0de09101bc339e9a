"""`init-gcp` on the command line: what to type to prepare a real project, and whether it is there.

Decides: how plan and findings look. Never does: execute a command or write to the project.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bq_copilot.cli.output import FAILED, put_json, say
from deployments import gcp_check
from deployments.gcp_plan import Wanted, parts_of

app = typer.Typer()
_STYLES = {gcp_check.THERE: "green", gcp_check.MISSING: "red", gcp_check.UNKNOWN: "yellow"}


@app.command("init-gcp")
def init_gcp(
    project: Annotated[str, typer.Option(help="Project that runs and pays for the jobs.")],
    dataset: Annotated[list[str], typer.Option(help="Dataset to read, as project.dataset; may be repeated.")],
    location: Annotated[str, typer.Option(help="BigQuery location of the datasets.")] = "US",
    scratch: Annotated[str, typer.Option(help="Dataset for result tables.")] = "copilot_scratch",
    scratch_days: Annotated[int, typer.Option(min=1, help="Days after which result tables go.")] = 7,
    requester: Annotated[list[str] | None, typer.Option(help="Name of an executing account of its own.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Look at the project, read only.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON; its keys are documented and stable.")] = False,
) -> None:
    """Print what a real BigQuery project needs, or check it; nothing is ever written."""
    names = tuple(d if "." in d else f"{project}.{d}" for d in dataset)
    wanted = Wanted(project, location, names, scratch, scratch_days, tuple(requester or ()))
    if check:
        _check(wanted, as_json=json)
        return
    if json:
        put_json({"parts": [asdict(p) for p in parts_of(wanted)], "block": block_of(wanted)})
        return
    for part in parts_of(wanted):
        _comment(f"{part.name}: {part.why}")
        for command in part.commands:
            typer.echo(command)
    typer.echo()
    _comment("then, in the Warehouse block:")
    for name, value in block_of(wanted).items():
        _comment(f"  {name}: {value}")
    _comment("Run the worker with the worker's account attached; look with `--check`.")


def _comment(text: str) -> None:
    """Print what is for people: a shell that is given the whole output passes over it."""
    typer.secho(f"# {text}", bold=True)


def block_of(wanted: Wanted) -> dict[str, object]:
    """Return the fields of the Warehouse block that belong to the plan."""
    own = zip(wanted.requesters, wanted.runners[1:], strict=True)
    return {
        "project": wanted.project,
        "location": wanted.location,
        "scratch_dataset": wanted.scratch,
        "scratch_days": wanted.scratch_days,
        "reading_account": wanted.reader,
        "executing_account": wanted.runners[0],
        "executing_accounts": dict(own),
    }


def _check(wanted: Wanted, *, as_json: bool) -> None:
    from deployments.gcp_project import GoogleProject  # noqa: PLC0415 - loads Google's client

    findings = gcp_check.check(wanted, GoogleProject(wanted))
    ready = gcp_check.is_ready(findings)
    if as_json:
        put_json({"ready": ready, "findings": [asdict(f) for f in findings]})
    else:
        for one in findings:
            say(f"{one.state:8} {one.what}: {one.found}", _STYLES[one.state])
            for line in one.next.splitlines() if one.state != gcp_check.THERE else ():
                typer.echo(f"         {line}")
    if not ready:
        raise typer.Exit(FAILED)
