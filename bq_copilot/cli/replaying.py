"""`replay`: does everything that the core decided come out again, and what would another policy have said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from bq_copilot.cli.options import Environment, Json
from bq_copilot.cli.output import DONE, FAILED, console, put_json
from bq_copilot.client import Copilot
from bq_copilot.errors import Refused
from bq_copilot.safe_text import clip, safe

if TYPE_CHECKING:
    from bq_copilot.replays import PolicyView, ReplayView


def replay(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Id of the run; without one, all of them.")] = "",
    policy: Annotated[Path | None, typer.Option(help="Say instead what this policy would have said.")] = None,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Fold a run again without any effect: same phases, prompts and verdicts, or the first event that differs."""
    copilot = Copilot(environment=environment, via="cli")
    if policy is not None:
        found = copilot.under_policy(_read(policy), run or None)
        _put_policy(found, as_json=json)
        raise typer.Exit(DONE)
    done = copilot.replay(run or None)
    repeats = all(r["repeats"] for r in done)
    if json:
        put_json({"repeats": repeats, "runs": done})
    else:
        _say(done)
    raise typer.Exit(DONE if repeats else FAILED)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", code="no_file") from error


def _say(done: Sequence[ReplayView]) -> None:
    out = console()
    for one in done:
        if not one["repeats"]:
            out.print(Text(f"{one['run_id']}: {safe(one['message'])}", style="bold red"))
        elif len(done) == 1:
            c, not_c = one["compared"], one["not_compared"]
            counted = f"{c['steps']} steps, {c['prompts']} prompts, {c['verdicts']} verdicts, {c['answers']} answers"
            out.print(Text(f"{one['run_id']}: {one['events']} events repeat ({counted})", style="green"))
            if not_c["prompts"] or not_c["verdicts"]:
                left = f"{not_c['prompts']} prompts of another version, {not_c['verdicts']} verdicts of another gate"
                out.print(Text(f"not compared: {left}", style="yellow"))
    if len(done) != 1:
        events = sum(r["events"] for r in done)
        good = sum(r["repeats"] for r in done)
        out.print(
            Text(f"{good} of {len(done)} runs repeat, {events:,} events", style="" if good == len(done) else "red")
        )


def _put_policy(found: Sequence[PolicyView], *, as_json: bool) -> None:
    changed = [f for f in found if f["changed"]]
    if as_json:
        put_json({"plans": found, "changed": len(changed)})
        return
    out = console()
    for one in changed:
        then, now = one["then"], one["now"]
        out.print(Text.assemble((f"{one['run_id']} {one['query']}", "bold"), f" · {clip(one['question'], 70)}"))
        rules = f" ({', '.join(now['rules'])})" if now["rules"] else ""
        tiers = f", tier {then['tier']} → {now['tier']}" if then["tier"] != now["tier"] else ""
        out.print(Text(f"  {then['ruling']} → {now['ruling']}{rules}{tiers}", style="yellow"))
    out.print(Text(f"{len(changed)} of {len(found)} queries would have been judged otherwise"))
