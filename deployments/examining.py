"""The verb `doctor`: which doctor comes, and how its verdicts are printed.

Decides: the local stack's doctor for the local stack's own environment, production's for every other one. Never does:
look at anything itself. Why this shape: one verb and one form of answer, whatever is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from bq_copilot.cli.options import Environment
from bq_copilot.cli.output import FAILED, console, put_json, say
from bq_copilot.safe_text import safe
from deployments.local.doctor import doctor as examine_local
from deployments.local.home import Home
from deployments.local.login import login_for
from deployments.local.records import read_record
from deployments.verdicts import Severity, Verdict, by_severity, is_well, skipped

WORDS = {Severity.GOOD: "OK", Severity.WARNING: "WARN", Severity.BAD: "WRONG", Severity.SKIPPED: "SKIP"}
STYLES = {Severity.GOOD: "green", Severity.WARNING: "yellow", Severity.BAD: "red", Severity.SKIPPED: "dim"}
LOCAL = "local"

app = typer.Typer()


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; its keys are documented and stable.")] = False,
    environment: Environment = "default",
) -> None:
    """Look for what is wrong, read only, and say how to mend it; exit code 4 when something is."""
    place, verdicts = examine(os.environ, environment)
    if as_json:
        put_json(view(place, environment, verdicts))
    else:
        show(verdicts)
    if not is_well(verdicts):
        raise typer.Exit(FAILED)


def examine(environ: Mapping[str, str], environment: str = "default") -> tuple[str, list[Verdict]]:
    """Return where was looked (`local`, or the address of a Prefect API), and the verdicts."""
    home = Home.of(environ)
    api_url = elsewhere(home, environ, environment)
    if not api_url:
        verdicts = examine_local(home, environ)
        if environment != "default":
            verdicts.append(skipped("environment", f"{environment} is not looked at: the stack does not run"))
        return LOCAL, verdicts
    from deployments.production.doctor import doctor as examine_production  # noqa: PLC0415 - loads Prefect

    login = login_for(api_url, environ)
    known = {**environ, "PREFECT_API_AUTH_STRING": login} if login else environ
    return api_url, examine_production(api_url, known, environment)


def elsewhere(home: Home, environ: Mapping[str, str], environment: str) -> str:
    """Return the Prefect API of what is not the local stack's own environment; empty for that one."""
    record = read_record(home)
    named = environ.get("PREFECT_API_URL", "").rstrip("/")
    ours = record.prefect_api_url if record else ""
    if named and named != ours:
        return named
    return ours if environment != "default" else ""


def view(place: str, environment: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return what `doctor --json` prints."""
    return {
        "well": is_well(verdicts),
        "installation": place,
        "environment": environment,
        "counts": by_severity(verdicts),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }


def show(verdicts: Sequence[Verdict]) -> None:
    """Print one line for each verdict, and its remedy whole below it, so that it can be copied."""
    width = max(len(verdict.check) for verdict in verdicts)
    for one in verdicts:
        _line(f"{WORDS[one.severity]:5}  {one.check:{width}}  {one.found}", STYLES[one.severity])
        for line in one.mend.splitlines():
            _line(f"{'':5}  {'':{width}}  → {line}")
    many = by_severity(verdicts)
    words = ("bad", "wrong"), ("warning", "to look at"), ("skipped", "not judged"), ("good", "as it should be")
    say(", ".join(f"{many[key]} {word}" for key, word in words if many[key]), "bold")


def _line(text: str, style: str = "") -> None:
    """Print one line in one piece, however long: who copies a command must not copy a break."""
    console().print(Text(safe(text), style=style), soft_wrap=True)
