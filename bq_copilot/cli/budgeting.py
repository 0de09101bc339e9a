"""The command that shows what has been spent: `budget`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from bq_copilot.amounts import money, size, span
from bq_copilot.cli.options import Environment, Json
from bq_copilot.cli.output import console, put_json
from bq_copilot.client import Copilot
from bq_copilot.errors import Refused
from bq_copilot.local_user import local_user

SCOPES = {"run": "run", "requester_day": "requester's day", "day": "everybody's day"}

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run; your newest one when it is left out.")]


def budget(run: Run = "", json: Json = False, environment: Environment = "default") -> None:
    """Show what a run and its requester's day have spent, reserved and left."""
    copilot = Copilot(environment=environment, via="cli")
    view = copilot.run(run or _newest(copilot)).budget()
    if json:
        put_json(view)
        return
    table = Table(
        title=f"{view['run_id']} · {view['requester']} · {view['day']}", title_justify="left", show_edge=False
    )
    for name in ("scope", "budget", "spent", "reserved", "limit", "left"):
        table.add_column(name, justify="left" if name in {"scope", "budget"} else "right")
    for line in view["budgets"]:
        amounts = (line["spent"], line["reserved"], line["limit"], line["left"])
        words = (_words(line["budget"], amount) for amount in amounts)
        table.add_row(SCOPES[line["scope"]], line["budget"].replace("_seconds", " time"), *words)
    console().print(table)


def _newest(copilot: Copilot) -> str:
    found = copilot.runs(requester=local_user(), limit=1)
    if not found:
        raise Refused("You have no run yet.", code="no_run", next="Name a run: `bq-copilot runs` lists them.")
    return found[0]["run_id"]


def _words(name: str, amount: float) -> str:
    match name:
        case "bytes":
            return size(int(amount))
        case "money":
            return money(amount)
        case "wall_seconds" | "job_seconds":
            return span(amount)
        case _:
            return f"{int(amount):,}"
