"""Commands that live elsewhere: the local stack's, the policy check's, the approvals'.

The layers forbid the core to import `deployments`; only the command line reaches up, by name, because the person who
types `bq-copilot up` expects one program. In a checkout `deployments` lies beside this package; a wheel carries it in
`bq_copilot/_project`, which must never shadow a `tasks` or `flows` folder of the user, hence at the end of the path.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

SUB_APPS = (
    "deployments.local.commands",
    "deployments.examining",
    "deployments.init_gcp",
    "bq_copilot.cli_check",
    "bq_copilot.cli_approvals",
    "bq_copilot.cli_followups",
)
"""Modules whose `app` adds commands; one that is not installed adds none."""


def sub_apps() -> Iterator[typer.Typer]:
    """Yield the commands of every module that is there."""
    find_project()
    for name in SUB_APPS:
        if _exists(name):
            yield importlib.import_module(name).app


def find_project() -> None:
    """Make `deployments` importable: from the checkout around this package, else from inside it."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent, package / "_project"):
        if (folder / "deployments" / "local").is_dir():
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
            return


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
