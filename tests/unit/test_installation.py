"""Which installation is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bq_copilot import prefect_api
from bq_copilot.errors import Refused, Unreachable
from bq_copilot.installation import find

STACK = {
    "prefect_api_url": "http://127.0.0.1:4200/api",
    "prefect_ui_url": "http://127.0.0.1:4200",
    "ledger_url": "sqlite:////s/ledger.db",
    "results_dir": "/s/results",
}


def home_with_stack(folder: Path) -> dict[str, str]:
    (folder / "stack.json").write_text(json.dumps(STACK))
    return {"BQ_COPILOT_HOME": str(folder)}


def test_the_local_stack_is_found_by_itself(tmp_path: Path) -> None:
    """Without PREFECT_API_URL the record in the state folder says everything."""
    found = find(home_with_stack(tmp_path))
    assert (found.api_url, found.ledger_url) == (STACK["prefect_api_url"], STACK["ledger_url"])
    assert (found.results, found.ui_url) == ("/s/results", STACK["prefect_ui_url"])


def test_a_stack_that_asks_for_a_login_gets_it(tmp_path: Path) -> None:
    """The login of the stack's own folder goes with every request to its server, and to no other."""
    (tmp_path / "prefect.login").write_text("admin:secret\n")
    record = {**STACK, "login_file": str(tmp_path / "prefect.login")}
    (tmp_path / "stack.json").write_text(json.dumps(record))
    own = find({"BQ_COPILOT_HOME": str(tmp_path)})
    assert own.headers == {"Authorization": "Basic YWRtaW46c2VjcmV0"}
    assert "secret" not in repr(own)
    ledger = {"BQ_COPILOT_LEDGER_URL": "sqlite:///l.db", "BQ_COPILOT_RESULTS": "/r"}
    other = find({"BQ_COPILOT_HOME": str(tmp_path), "PREFECT_API_URL": "http://elsewhere/api", **ledger})
    assert other.headers == {}


def test_a_stack_that_is_down_still_has_its_ledger(tmp_path: Path) -> None:
    """With the record gone the ledger is still there to be read; starting a run is not possible."""
    (tmp_path / "ledger.db").touch()
    found = find({"BQ_COPILOT_HOME": str(tmp_path)})
    assert (found.api_url, found.ledger_url) == ("", f"sqlite:///{tmp_path / 'ledger.db'}")
    with pytest.raises(Unreachable, match="No Prefect server runs"):
        found.api  # noqa: B018 - the look is what raises


def test_nothing_at_all_says_how_to_start(tmp_path: Path) -> None:
    """No record, no ledger, no variable: the error names both ways on."""
    with pytest.raises(Unreachable) as caught:
        find({"BQ_COPILOT_HOME": str(tmp_path / "none")})
    assert "bq-copilot up" in caught.value.next and "PREFECT_API_URL" in caught.value.next


def test_a_record_that_is_half_written_counts_as_none(tmp_path: Path) -> None:
    """A broken record is no reason for a traceback."""
    (tmp_path / "stack.json").write_text('{"prefect_api_url": "http')
    with pytest.raises(Unreachable):
        find({"BQ_COPILOT_HOME": str(tmp_path)})


def test_another_server_says_where_its_ledger_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PREFECT_API_URL the ledger comes from that server's block of this environment."""
    asked: list[tuple[str, str]] = []

    def block(self: prefect_api.PrefectApi, slug: str, name: str) -> dict[str, str]:
        asked.append((slug, name))
        return {"url": "postgresql+psycopg://db/ledger", "results": "/r"}

    monkeypatch.setattr(prefect_api.PrefectApi, "block", block)
    found = find({**home_with_stack(tmp_path), "PREFECT_API_URL": "https://prefect.example/api/"}, "prod")
    assert asked == [("bq-copilot-ledger-store", "prod")]
    assert (found.ledger_url, found.api_url) == ("postgresql+psycopg://db/ledger", "https://prefect.example/api")


def test_a_server_without_our_block_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing Ledger Store block says what to create."""
    monkeypatch.setattr(prefect_api.PrefectApi, "block", lambda *_: None)
    with pytest.raises(Refused, match="no Ledger Store block called default"):
        find({"BQ_COPILOT_HOME": str(tmp_path), "PREFECT_API_URL": "https://prefect.example/api"})


def test_the_local_stacks_own_address_needs_no_block(tmp_path: Path) -> None:
    """PREFECT_API_URL that names the local stack is the local stack."""
    environ = {**home_with_stack(tmp_path), "PREFECT_API_URL": STACK["prefect_api_url"]}
    assert find(environ).ledger_url == STACK["ledger_url"]


def test_ledger_and_results_may_be_named_directly(tmp_path: Path) -> None:
    """Both variables together go before everything else."""
    own = {"BQ_COPILOT_LEDGER_URL": "sqlite:////x.db", "BQ_COPILOT_RESULTS": "/x"}
    found = find({**home_with_stack(tmp_path), **own})
    assert (found.ledger_url, found.results) == ("sqlite:////x.db", "/x")
