"""The commands of whoever keeps the ledger: prune, ledger status, ledger upgrade.

Both verbs that change something say first what they would do; `prune` does nothing without `--yes`.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bq_copilot.cli.options import Environment, Json
from bq_copilot.cli.output import put_json, say
from bq_copilot.client import Copilot
from bq_copilot.installation import find

ledger_app = typer.Typer(no_args_is_help=True, help="The ledger's tables: where they stand, and their upgrade.")


def prune(
    older_than: Annotated[str, typer.Option(help="Age since a run last moved: 90d, 12w, 36h, 1y.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it only says what it would do.")] = False,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Empty ended runs that are older: their hashes stay and verify, what they said goes."""
    found = Copilot(environment=environment, via="cli").prune(older_than, dry_run=not yes)
    if json:
        put_json(found)
        return
    for line in found["kept"]:
        say(f"kept {line}", "yellow")
    if not found["done"]:
        say(f"{len(found['runs'])} runs with {found['rows']} rows would be emptied. Do it with --yes.")
        return
    say(f"{len(found['runs'])} runs were emptied; the hashes of their {found['rows']} rows are left.")
    say(f"{found['texts']} stored texts removed, {found['bytes']:,} bytes.", "dim")


@ledger_app.command()
def status(json: Json = False, environment: Environment = "default") -> None:
    """Say which revision the ledger's tables have, and which one this version writes."""
    from bq_copilot.migrating import stands  # noqa: PLC0415 - loads Alembic

    has, wants, how = stands(find(os.environ, environment).ledger_url)
    if json:
        put_json({"revision": has, "wanted": wants, "stands": how})
        return
    say(f"revision {has or 'without a stamp'}, this version writes {wants}: {how}")
    if how == "older":
        say("Back the ledger up, then run `bq-copilot ledger upgrade`.", "yellow")


@ledger_app.command()
def upgrade(
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements instead of executing them.")] = False,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Bring the ledger's tables to this version. Rows are not touched; older processes go on beside it."""
    from bq_copilot import migrating  # noqa: PLC0415 - loads Alembic

    url = find(os.environ, environment).ledger_url
    if sql:
        say(migrating.as_sql(url.partition(":")[0].partition("+")[0], migrating.stands(url)[0]))
        return
    before, after = migrating.upgrade(url)
    if json:
        put_json({"before": before, "after": after})
        return
    say(f"the ledger is at revision {after}" + (f", it was at {before or 'none'}" if before != after else ""))
