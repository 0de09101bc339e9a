"""The login of the stack's Prefect API."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client

from bq_copilot.errors import Refused
from deployments.local import stack
from deployments.local.home import Home
from deployments.local.login import ask_for_login, login_of
from deployments.prefect_settings import at_server
from tests.stack.runs import Runs


def test_the_api_answers_to_nobody_without_the_login(runs: Runs, environ: dict[str, str]) -> None:
    """Health is for everybody; the rest is for who can read the file; the running stack cannot be changed."""
    assert httpx.get(f"{runs.api_url}/health", timeout=30).is_success
    assert httpx.post(f"{runs.api_url}/flow_runs/filter", json={}, timeout=30).status_code == 401
    assert runs.call("POST", "/flow_runs/filter", {}) is not None
    with pytest.raises(Refused, match="is running and asks for a login") as caught:
        stack.up(runs.home, environ, auth=False)
    assert "bq-copilot down" in caught.value.next


async def test_a_tool_that_names_the_server_brings_the_login(
    runs: Runs, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluations and provisioning point Prefect at a server by its address alone."""
    for name in ("BQ_COPILOT_HOME", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BQ_COPILOT_HOME", environ["BQ_COPILOT_HOME"])
    with at_server(runs.api_url):
        async with get_client() as client:
            assert await client.read_flow_runs(limit=1) is not None


def test_nobody_prints_the_password(runs: Runs) -> None:
    """Neither the record nor a log of the stack has it; the file is for its owner alone."""
    password = login_of(runs.home).partition(":")[2]
    assert len(password) >= 32
    assert runs.home.login_file.stat().st_mode & 0o077 == 0
    files = [runs.home.stack_file, *runs.home.logs.iterdir()]
    assert not [f.name for f in files if password in f.read_text(errors="replace")]


def test_a_login_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    """A password that somebody may know protects nothing; the error says how to get another one."""
    home = Home(tmp_path)
    ask_for_login(home, wanted=True, running=False)
    home.login_file.chmod(0o644)
    with pytest.raises(Refused, match="can be read by others") as caught:
        login_of(home)
    assert "up --auth" in caught.value.next
    ask_for_login(home, wanted=False, running=False)
    assert login_of(home) == ""
