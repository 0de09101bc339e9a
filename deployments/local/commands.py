"""`up`, `down` and `status` on the command line.

Decides: how the typed results of the stack look in a terminal and as JSON. Never does: anything to the stack by
itself. Why this shape: the project's command line mounts this small app; its verbs return the same exit codes:
0 done, 4 failed, 5 stack not reachable.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from bq_copilot.errors import Refused
from deployments.local import stack

app = typer.Typer(no_args_is_help=True, help="The local stack: Prefect, worker, sandbox warehouse, offline model.")
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
_FAILED, _NOT_REACHABLE = 4, 5


@app.command()
def up(
    auth: Annotated[
        bool | None,
        typer.Option("--auth/--no-auth", help="Ask for a user and a password in the Prefect UI and API, from now on."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the stack, or find it running; returns when everything answers."""
    console, started = Console(stderr=as_json), time.monotonic()
    try:
        record = stack.up(tell=lambda line: console.print(f"{time.monotonic() - started:5.1f} s  {line}"), auth=auth)
    except (stack.StackDown, Refused, TimeoutError) as error:
        _fail(error, as_json)
    if as_json:
        _print_json(record.model_dump(mode="json"))
        return
    console.print(f"{time.monotonic() - started:5.1f} s  [green]up[/green]: {record.prefect_ui_url}")
    if record.login_file:
        console.print(f"         the Prefect UI asks for the login: paste the whole line of {record.login_file}")


@app.command()
def down(
    hard: Annotated[bool, typer.Option("--hard", help="Kill without a goodbye (a test of recovery).")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop this stack's processes, and nothing else."""
    was_running = stack.status().running
    killed = stack.down(hard=hard)
    if as_json:
        _print_json({"was_running": was_running, "killed": killed})
        return
    Console().print("the stack is down" if was_running or killed else "the stack was not running")


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs, where, and since when; exit code 5 when the stack is not healthy."""
    found = stack.status()
    if as_json:
        processes = [process.model_dump(mode="json") for process in found.processes]
        record = found.record.model_dump(mode="json") if found.record else None
        _print_json({**asdict(found), "processes": processes, "record": record})
    else:
        _print_status(found)
    if not found.healthy:
        raise typer.Exit(_NOT_REACHABLE)


def _print_status(found: stack.StackStatus) -> None:
    console = Console()
    if not found.running:
        console.print(f"no stack runs in {found.home}; start it with `bq-copilot up`")
        return
    table = Table("process", "state", "pid", "up for", "restarts", box=None, pad_edge=False)
    for process in found.processes:
        age = f"{time.time() - process.since:.0f} s" if process.pid else ""
        table.add_row(process.name, process.state, str(process.pid or ""), age, str(process.restarts))
    console.print(table)
    if found.record:
        console.print(f"Prefect {found.record.prefect_ui_url}   warehouse {found.record.warehouse_url}")
        console.print(f"state   {found.home}")


def _fail(error: Exception, as_json: bool) -> NoReturn:
    if as_json:
        told = {"code": getattr(error, "code", "timeout"), "message": str(error), "next": getattr(error, "next", "")}
        _print_json({"error": told})
    else:
        Console(stderr=True).print(f"[red]{error}[/red] {getattr(error, 'next', '')}")
    raise typer.Exit(_FAILED)


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, default=str))


if __name__ == "__main__":
    app()
