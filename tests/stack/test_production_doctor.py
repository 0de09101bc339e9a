"""The production doctor on a running stack that it takes for somebody else's: sound, and broken on purpose."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bq_copilot import ledger_facts
from bq_copilot.cli.app import run
from tests.live import Live
from tests.waiting import until

POOL = "/work_pools/bq-copilot"
DEPLOYMENT = "/deployments/name/recover/recover"
MODEL = "/block_types/slug/bq-copilot-language-model/block_documents/name"
ONE_TIER = {"approvals": {"tiers": [{"tier": 1, "always": True}]}}
Visit = Callable[[str], tuple[int, dict[str, list[str]]]]


@pytest.fixture
def visit(stack: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Visit:
    """`doctor --environment NAME --json` in a shell that knows nothing but the server's address."""
    for name in [n for n in os.environ if n.startswith(("BQ_COPILOT_", "PREFECT_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BQ_COPILOT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", stack.record.prefect_api_url)

    def typed(environment: str) -> tuple[int, dict[str, list[str]]]:
        capsys.readouterr()
        code = run(["doctor", "--environment", environment, "--json"])
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert printed["installation"] == stack.record.prefect_api_url
        found: dict[str, list[str]] = {}
        for one in printed["verdicts"]:
            found.setdefault(one["severity"], []).append(f"{one['check']}: {one['found']} → {one['mend']}")
        return code, found

    return typed


def watched(stack: Live) -> bool:
    """Whether the stack's recovery service has just said that it lives."""
    facts = ledger_facts.look(stack.record.ledger_url, lambda: datetime.now(UTC))
    return any((facts.now - w.seen_at).total_seconds() < 20 for w in facts.watchers)


def test_a_sound_installation_has_nothing_wrong(stack: Live, visit: Visit) -> None:
    """Every part answers; what only a real project has is not called good; no file is written beside the shell."""
    stack.environment("sound", policy=ONE_TIER)
    until(lambda: watched(stack), 60)
    code, found = visit("sound")
    assert found.get("bad", []) == [] and code == 0
    good = {line.partition(":")[0] for line in found["good"]}
    assert good >= {"server", "login", "ledger", "clocks", "recovery", "work pool", "queues", "workers", "deployments"}
    assert good >= {"limits", "block types", "block warehouse", "policy", "model", "results"}
    assert [line.partition(":")[0] for line in found["skipped"] if "sandbox" in line] == ["identities"]
    assert list(Path(os.environ["BQ_COPILOT_HOME"]).iterdir()) == []


def test_each_broken_thing_is_named_with_its_command(stack: Live, visit: Visit) -> None:
    """A paused pool, a limit switched off, a deployment of other code, a block that does not fit, a dead warehouse."""
    stack.environment("broken", policy=ONE_TIER, endpoint="http://127.0.0.1:9", model_key="hunter22-hunter22")
    block = stack.prefect("GET", f"{MODEL}/broken?include_secrets=true")
    unfit = {"data": {**block["data"], "timeout_seconds": -1}, "merge_existing_data": False}
    stack.prefect("PATCH", f"/block_documents/{block['id']}", unfit)
    deployed = stack.prefect("GET", DEPLOYMENT)
    try:
        stack.prefect("PATCH", POOL, {"is_paused": True})
        stack.prefect("PATCH", "/v2/concurrency_limits/bq-copilot-jobs", {"active": False})
        stack.prefect("PATCH", f"/deployments/{deployed['id']}", {"entrypoint": "elsewhere.py:recover"})
        code, found = visit("broken")
    finally:
        stack.prefect("PATCH", POOL, {"is_paused": False})
        stack.prefect("PATCH", "/v2/concurrency_limits/bq-copilot-jobs", {"active": True})
        stack.prefect("PATCH", f"/deployments/{deployed['id']}", {"entrypoint": deployed["entrypoint"]})
    assert code == 4
    wrong = "\n".join(found["bad"])
    assert "work pool: it is paused: nothing starts → prefect work-pool resume bq-copilot" in wrong
    assert "recover/recover is of other code" in wrong and "→ python -m deployments.provision" in wrong
    assert "block language model: broken does not fit this version: timeout_seconds" in wrong
    assert "warehouse: the sandbox at http://127.0.0.1:9 does not answer" in wrong
    assert any("prefect gcl enable bq-copilot-jobs" in line for line in found["warning"])
    assert any(line.startswith("model: not looked at") for line in found["skipped"])
    assert "hunter22" not in json.dumps(found)
