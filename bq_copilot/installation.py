"""Which installation this client talks to: a Prefect API, a ledger, and the storage of big texts.

Edge module. An installation is named by `PREFECT_API_URL` (its `Ledger Store` block says where the ledger is) or
found as the local stack in `BQ_COPILOT_HOME`. `BQ_COPILOT_LEDGER_URL` and `BQ_COPILOT_RESULTS` go before both. What
is found is described, never started or repaired; a stack that is down still lets its ledger be read.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bq_copilot.errors import Refused, Unreachable
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.head_signatures import signer_of
from bq_copilot.ledger_reader import Reader, open_reader
from bq_copilot.shelf import Shelf

if TYPE_CHECKING:
    from bq_copilot.ledger import Ledger
    from bq_copilot.prefect_api import PrefectApi

STORE = "bq-copilot-ledger-store"
"""Slug of the block type that says where events and results are kept."""


@dataclass(frozen=True)
class Installation:
    """Where one environment's runs live; connections are opened on first use and kept."""

    api_url: str
    """Empty when no Prefect server is known: runs can be read and decided, not started."""
    ledger_url: str
    results: str
    found: str
    """How it was found, in words for messages."""
    ui_url: str = ""
    environment: str = "default"
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @cached_property
    def reader(self) -> Reader:
        """The ledger for looking only."""
        return open_reader(self.ledger_url)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger for recording what people decide."""
        from bq_copilot.ledger_sql import SqlLedger  # noqa: PLC0415 - loads SQLAlchemy; looking does not need it

        return SqlLedger(self.ledger_url, signer=signer_of(os.environ))

    @cached_property
    def shelf(self) -> Shelf:
        """The storage of big texts."""
        if not self.results.startswith("gs://"):
            return Shelf(FolderBlobs(Path(self.results)))
        return Shelf(_project_module("blocks.bucket_blobs").open_bucket(self.results))

    @cached_property
    def api(self) -> PrefectApi:
        """The Prefect API. Raises Unreachable when no server is known."""
        from bq_copilot.prefect_api import PrefectApi  # noqa: PLC0415 - loads httpx; looking does not need it

        if not self.api_url:
            raise Unreachable(
                f"No Prefect server runs for {self.found}.",
                next="Start the stack with `bq-copilot up`, or set PREFECT_API_URL.",
            )
        return PrefectApi(self.api_url, self.headers)


def find(environ: Mapping[str, str], environment: str = "default") -> Installation:
    """Return the installation that the environment variables name. Raises Unreachable when there is none."""
    home = home_of(environ)
    stack = _stack(home)
    api_url = environ.get("PREFECT_API_URL", "").rstrip("/")
    own = bool(stack) and environment == "default" and api_url in {"", stack.get("prefect_api_url", "")}
    found = f"the local stack in {home}" if own or not api_url else api_url
    api_url = api_url or stack.get("prefect_api_url", "")
    headers = _headers(environ, stack if api_url == stack.get("prefect_api_url") else {})
    ledger_url, results = environ.get("BQ_COPILOT_LEDGER_URL", ""), environ.get("BQ_COPILOT_RESULTS", "")
    if not (ledger_url and results):
        store = _store(stack if own else {}, home, api_url, environment, headers)
        ledger_url, results = ledger_url or store[0], results or store[1]
    return Installation(
        api_url=api_url,
        ledger_url=ledger_url,
        results=results,
        found=found,
        ui_url=stack.get("prefect_ui_url", "") if own else _ui_of(api_url),
        environment=environment,
        headers=headers,
    )


def home_of(environ: Mapping[str, str]) -> Path:
    """Return the state folder of the local stack, whether or not it is there."""
    named = environ.get("BQ_COPILOT_HOME")
    return (Path(named) if named else Path.home() / ".bq-copilot").expanduser().absolute()


def _stack(home: Path) -> dict[str, Any]:
    """Return the running local stack's record; empty when there is none."""
    try:
        record = json.loads((home / "stack.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
    return record if isinstance(record, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _store(
    stack: Mapping[str, Any], home: Path, api_url: str, environment: str, headers: Mapping[str, str]
) -> tuple[str, str]:
    """Return (ledger URL, results folder)."""
    if stack:
        return str(stack["ledger_url"]), str(stack["results_dir"])
    if api_url:
        return _from_block(api_url, environment, headers)
    ledger = home / "ledger.db"
    if ledger.exists():
        return f"sqlite:///{ledger}", str(home / "results")
    raise Unreachable(
        f"No stack was found: PREFECT_API_URL is not set, and {home} holds none.",
        code="no_stack",
        next="Start one with `bq-copilot up`, or set PREFECT_API_URL.",
    )


def _from_block(api_url: str, environment: str, headers: Mapping[str, str]) -> tuple[str, str]:
    from bq_copilot.prefect_api import PrefectApi  # noqa: PLC0415 - see Installation.api

    api = PrefectApi(api_url, headers)
    try:
        values = api.block(STORE, environment)
    finally:
        api.close()
    if values is None:
        raise Refused(
            f"The Prefect server at {api_url} has no Ledger Store block called {environment}.",
            code="no_ledger_store",
            next="Create it in the Prefect UI, or set BQ_COPILOT_LEDGER_URL and BQ_COPILOT_RESULTS.",
        )
    return str(values["url"]), str(values["results"])


def _headers(environ: Mapping[str, str], stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the authorisation that the environment has, else the login of the local stack where it asks for one."""
    if not (environ.get("PREFECT_API_KEY") or environ.get("PREFECT_API_AUTH_STRING")):
        if not stack.get("login_file"):
            return {}
        environ = {"PREFECT_API_AUTH_STRING": Path(stack["login_file"]).read_text(encoding="utf-8").strip()}
    from bq_copilot.prefect_api import headers_of  # noqa: PLC0415 - see Installation.api

    return headers_of(environ)


def _project_module(name: str) -> Any:
    """Return a module of the project by its name: only a bucket needs Google's client, which the core never loads."""
    from bq_copilot.cli.local import find_project  # noqa: PLC0415 - a folder does not need it

    find_project()
    return importlib.import_module(name)


def _ui_of(api_url: str) -> str:
    return api_url.removesuffix("/api") if api_url.endswith("/api") else ""
