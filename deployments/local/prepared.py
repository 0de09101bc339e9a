"""What is made once and used by every stack on this machine: the server's empty database and the sample tables.

Decides: where these lie and when they are complete. Never does: touch a database that a server has used. Why this
shape: migrating an empty Prefect database takes longer than everything else in `up` together, and its result is
the same every time; so it is made once per Prefect version, by Prefect itself, and copied.

`python -m deployments.local.prepared` makes all of it; set-up calls that, `up` makes what is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import certifi

from bq_copilot.gate.engines import warm
from bq_copilot.gate.port import EngineMissing
from deployments.local import sample_data
from deployments.local.files import exclusive
from deployments.local.home import Home
from deployments.local.quiet_ui import place_ui
from deployments.local.sandbox_environment import cache_dir, sandbox_python

_SLOWEST_SECONDS = 180.0
_END_OF_CERTIFICATE = "-----END CERTIFICATE-----\n"
MIGRATE = (
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
"""A program that migrates the empty database of its Prefect settings and registers the standard block types."""


def database_template() -> Path:
    """A migrated, never served Prefect database of the installed version; made on first use (10-20 s)."""
    template = cache_dir() / f"prefect-{version('prefect')}.db"
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
        subprocess.run([sys.executable, "-c", MIGRATE], env=environ, check=True, cwd=folder)
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


def place_certificate(home: Home) -> None:
    """Write the first certificate of the usual bundle."""
    first, end, _rest = Path(certifi.where()).read_text().partition(_END_OF_CERTIFICATE)
    home.certificate.write_text(first + end)


def is_seeded(home: Home) -> bool:
    return (home.seed / ".complete").exists()


def sample_tables() -> Path:
    """The generated sample tables, made on first use (10-30 s); the folder's name follows from the generator."""
    folder = cache_dir() / f"sample-data-{_digest(Path(sample_data.__file__).parent)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.with_suffix(".lock"), _SLOWEST_SECONDS):
            if not folder.exists():
                _generate_into(folder)
    return folder


def _generate_into(folder: Path) -> None:
    from deployments.local.sample_data.__main__ import main as generate  # noqa: PLC0415 - loads pandas

    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "tables"
        made.mkdir()
        if code := generate([str(made)]):
            raise SystemExit(code)
        made.replace(folder)


def _digest(package: Path) -> str:
    content = hashlib.sha256()
    for file in sorted(package.glob("*.py")):
        content.update(file.read_bytes())
    return content.hexdigest()[:16]


def place_seed(home: Home) -> None:
    """Put the sample tables into the home, all of them or none; linked when it is on the same disk."""
    if is_seeded(home):
        return
    shutil.rmtree(home.seed, ignore_errors=True)
    home.seed.mkdir(parents=True)
    for table in sample_tables().iterdir():
        _link_or_copy(table, home.seed / table.name)
    (home.seed / ".complete").touch()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _analyzer() -> str:
    """Compile the second SQL engine; without it the gate says so and uses its stand-in."""
    try:
        return str(warm())
    except EngineMissing as missing:
        return f"not available ({missing}); the gate uses sqlfluff instead"


def main(arguments: list[str]) -> None:
    """`seed` fills the home's seed folder; without a word everything that is shared is made."""
    if arguments == ["seed"]:
        place_seed(Home.of(os.environ))
        return
    shared = {
        "database": database_template,
        "sandbox": sandbox_python,
        "tables": sample_tables,
        "pages": place_ui,
        "analyzer": _analyzer,
    }
    for name, make in shared.items():
        print(f"{name:<10}{make()}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
