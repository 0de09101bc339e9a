"""What is made once and used by every stack on this machine: the server's empty database and the sample tables.

Decides: where these lie and when they are complete. Never does: touch a database that a server has used. Why this
shape: migrating an empty Prefect database takes longer than everything else in `up` together, and its result is
the same every time; so it is made once per Prefect version, by Prefect itself, and copied.

`python -m deployments.local.prepared` makes all of it; set-up calls that, `up` makes what is missing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from deployments.local.files import exclusive
from deployments.local.home import Home

_SLOWEST_SECONDS = 180.0
_MIGRATE = (
    "import asyncio\n"
    "from prefect.plugins import load_prefect_collections\n"
    "from prefect.server.database import provide_database_interface\n"
    "from prefect.server.models.block_registration import run_block_auto_registration\n"
    "async def main():\n"
    "    db = provide_database_interface()\n"
    "    await db.create_db()\n"
    "    load_prefect_collections()\n"
    "    async with await db.session() as session:\n"
    "        await run_block_auto_registration(session=session)\n"
    "asyncio.run(main())\n"
)


def cache_folder() -> Path:
    """Where the shared things lie: `BQ_COPILOT_CACHE`, else the user's cache folder."""
    if named := os.environ.get("BQ_COPILOT_CACHE"):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bq-copilot"


def database_template() -> Path:
    """A migrated, never served Prefect database of the installed version; made on first use (10-20 s)."""
    template = cache_folder() / f"prefect-{version('prefect')}.db"
    if not template.exists():
        template.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(template.with_suffix(".lock"), _SLOWEST_SECONDS):
            if not template.exists():
                _migrate_into(template)
    return template


def _migrate_into(template: Path) -> None:
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        made = Path(folder) / "prefect.db"
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environ |= {"PREFECT_HOME": folder, "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        subprocess.run([sys.executable, "-c", _MIGRATE], env=environ, check=True, cwd=folder)
        _fold_write_ahead_log(made)
        made.replace(template)


def _fold_write_ahead_log(database: Path) -> None:
    """Make the one file complete by itself, so that copying it copies everything."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def place_database(home: Home) -> bool:
    """Give a new stack its database; False when it has one, which is left alone (the server migrates it)."""
    if home.prefect_database.exists():
        return False
    fresh = home.prefect_database.with_suffix(".new")
    shutil.copyfile(database_template(), fresh)
    fresh.replace(home.prefect_database)
    return True


def is_seeded(home: Home) -> bool:
    return (home.seed / ".complete").exists()


def place_seed(home: Home) -> None:
    """Write the sample tables into the home, all of them or none."""
    from deployments.local.sample_data.__main__ import main as write_sample_data  # noqa: PLC0415 - loads pandas

    if is_seeded(home):
        return
    shutil.rmtree(home.seed, ignore_errors=True)
    home.seed.mkdir(parents=True)
    if code := write_sample_data([str(home.seed)]):
        raise SystemExit(code)
    (home.seed / ".complete").touch()


def main(arguments: list[str]) -> None:
    """`seed` fills the home's seed folder; without a word everything that is shared is made."""
    if arguments == ["seed"]:
        place_seed(Home.of(os.environ))
        return
    from deployments.local.sandbox_environment import sandbox_python  # noqa: PLC0415 - builds an environment

    print("prefect database", database_template())
    print("sandbox environment", sandbox_python())


if __name__ == "__main__":
    main(sys.argv[1:])


