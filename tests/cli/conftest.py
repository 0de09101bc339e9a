"""The command line in this process, against a ledger of its own and a double of the Prefect API."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bq_copilot import prefect_api
from bq_copilot.cli.app import run
from tests.cli.prefect_double import PrefectDouble, serving

VARIABLES = ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "BQ_COPILOT_LEDGER_URL")


@dataclass(frozen=True)
class Outcome:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


Bq = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy server is given up after half a second instead of several."""
    monkeypatch.setattr(prefect_api, "BUSY_SECONDS", 0.5)


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """A command that waits for ever fails its test instead of stopping them all."""

    def late(*_: object) -> None:
        raise AssertionError("the command did not come back within 60 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of an installation whose stack is down."""
    for name in (*VARIABLES, "BQ_COPILOT_RESULTS", "BQ_COPILOT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BQ_COPILOT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "140")
    return tmp_path


@pytest.fixture
def prefect(home: Path) -> Iterator[PrefectDouble]:
    """A stack that is up: a double of its server, and the record that says where it is."""
    with serving(PrefectDouble()) as double:
        record = {
            "prefect_api_url": double.url,
            "prefect_ui_url": double.url.removesuffix("/api"),
            "ledger_url": f"sqlite:///{home / 'ledger.db'}",
            "results_dir": str(home / "results"),
        }
        (home / "stack.json").write_text(json.dumps(record))
        yield double


@pytest.fixture
def bq(home: Path, capsys: pytest.CaptureFixture[str]) -> Bq:
    """Run `bq-copilot` with these arguments."""

    def call(*args: str) -> Outcome:
        capsys.readouterr()
        code = run(list(args))
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call
