"""The commands of `bq-copilot`, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from bq_copilot.cli import (
    asking,
    budgeting,
    evaluating,
    forking,
    keeping,
    local,
    looking,
    operating,
    replaying,
    steering,
    viewing,
)
from bq_copilot.cli.output import USAGE, report, report_usage
from bq_copilot.errors import CopilotError
from bq_copilot.version import __version__

OWN = {
    "ask": asking.ask,
    "pending": looking.pending,
    "show": looking.show,
    "runs": looking.runs,
    "trace": looking.trace,
    "verify": looking.verify,
    "export": looking.export,
    "view": viewing.view,
    "fork": forking.fork,
    "diff": forking.diff,
    "replay": replaying.replay,
    "approve": steering.approve,
    "reject": steering.reject,
    "edit": steering.edit,
    "delegate": steering.delegate,
    "answer": steering.answer,
    "rate": steering.rate,
    "cancel": steering.cancel,
    "eval": evaluating.evaluate,
    "import-spider2": evaluating.import_spider2,
    "resume": operating.resume,
    "abandon": operating.abandon,
    "retry": operating.retry,
    "undo": operating.undo,
    "budget": budgeting.budget,
    "prune": keeping.prune,
}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bq-copilot {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Ask your warehouse in plain words; a person approves the exact SQL before it runs."""


def build(argv: Sequence[str] = ()) -> typer.Typer:
    """Return the application; other packages' commands are loaded unless `argv` names one of our own."""
    app = typer.Typer(name="bq-copilot", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_root)
    for name, function in OWN.items():
        app.command(name)(function)
    app.add_typer(keeping.ledger_app, name="ledger")
    if not (argv and argv[0] in {*OWN, "ledger", "--version"}):
        for sub in local.sub_apps():
            app.add_typer(sub)
    return app


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code. What goes wrong is said in one sentence, never as a traceback."""
    as_json = "--json" in argv
    try:
        command = get_command(build(argv))
        code = command(args=list(argv), prog_name="bq-copilot", standalone_mode=False)
    except CopilotError as error:
        return report(error, as_json=as_json)
    except typer.TyperException as error:
        return report_usage(error.format_message(), as_json=as_json)
    except typer.Abort:
        return report_usage("There was no more input.", as_json=as_json)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - whoever read our output has gone
        return USAGE
    return code if isinstance(code, int) else 0
