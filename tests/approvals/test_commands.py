"""`bq-copilot keys create`, `sign`, `approvals stats`: as typed, against a ledger file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bq_copilot import codes, deciding, identities
from bq_copilot.cli_approvals import app
from bq_copilot.journal import Journal
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.phases import Phase
from tests.approvals.stage import TIER_2_CODE, Stage, policy


@dataclass
class Desk:
    """A home folder with a ledger, and somebody who types."""

    home: Path

    def type(self, *words: str, answer: str = "") -> Result:
        """Run a command."""
        return CliRunner().invoke(app, list(words), input=answer)

    def waiting(self, people: dict[str, dict[str, str]]) -> Stage:
        """Return a run of ana's that one of these people must approve with a code."""
        ledger = SqlLedger(f"sqlite:///{self.home / 'ledger.db'}")
        return Stage(policy(TIER_2_CODE, people={"ana": {}, **people}), ledger=ledger)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A home folder of its own; no server and no other ledger is looked for."""
    for name in ("PREFECT_API_URL", "BQ_COPILOT_LEDGER_URL", "BQ_COPILOT_RESULTS", "BQ_COPILOT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BQ_COPILOT_HOME", str(tmp_path))
    return Desk(tmp_path)


def key_of(desk: Desk, name: str) -> dict[str, dict[str, str]]:
    """Make a key and return what the policy needs of it."""
    made = json.loads(desk.type("keys", "create", name, "--json").stdout)
    return {name: {"key": made["key"]}}


def test_a_new_key_prints_the_line_for_the_policy(desk: Desk):
    """On standard output stands the public half, as YAML; the private half is in a file."""
    done = desk.type("keys", "create", "ben")
    assert done.exit_code == 0
    assert done.stdout.startswith("ben: {key: 'ed25519:")
    assert (desk.home / "keys" / "ben.key").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in done.output


def test_a_signed_code_approves(desk: Desk):
    """Create a key, let the policy list it, sign, approve."""
    stage = desk.waiting(key_of(desk, "ben"))
    done = desk.type("sign", "r-stage.1", "--as", "ben", "--yes")
    assert done.exit_code == 0
    identity = identities.by_code(done.stdout.strip())
    decision = deciding.decision_by(identity, "r-stage.1", stage.plan.digest, "approve", "cli")
    assert deciding.decide(Journal.open(stage.ledger, "r-stage"), decision).phase is Phase.EXECUTING


def test_the_card_is_shown_before_it_is_signed(desk: Desk):
    """On standard error, so that the code alone can be piped; without a yes there is no code."""
    desk.waiting(key_of(desk, "ben"))
    done = desk.type("sign", "r-stage.1", "--as", "ben", answer="n\n")
    assert done.exit_code != 0
    assert "bqc1" not in done.output
    assert "How many orders per region?" in done.stderr and "p.shop.orders" in done.stderr


def test_a_code_never_outlives_its_request(desk: Desk):
    """However many minutes are asked for."""
    stage = desk.waiting(key_of(desk, "ben"))
    made = json.loads(desk.type("sign", "r-stage", "--as", "ben", "--minutes", "10000", "--json").stdout)
    claim = codes.claim_of(made["code"])
    assert claim is not None and claim.expires_at <= stage.request.expires_at
    assert made["digest"] == stage.plan.digest


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("r-stage.1", "--as", "nobody"), "no_key"),
        (("r-stage.7", "--as", "ben"), "other_request"),
        (("r-stage.1", "--as", "ben", "--digest", "sha256:000000000000"), "other_request"),
        (("r-none.1", "--as", "ben"), "unknown_run"),
    ],
)
def test_what_cannot_be_signed_is_refused(desk: Desk, words: tuple[str, ...], code: str):
    """No key, another request, another digest, no such run."""
    desk.waiting(key_of(desk, "ben"))
    refused = desk.type("sign", *words, "--yes").exception
    assert getattr(refused, "code", "") == code


def test_a_key_that_the_policy_does_not_list_signs_nothing(desk: Desk):
    """Said when signing, not when the code is used."""
    desk.waiting({"ben": {}})
    key_of(desk, "ben")
    refused = desk.type("sign", "r-stage.1", "--as", "ben", "--yes").exception
    assert getattr(refused, "code", "") == "code_unknown_key"


def test_a_decided_request_is_not_signed(desk: Desk):
    """There is nothing to decide any more."""
    stage = desk.waiting(key_of(desk, "ben"))
    code = desk.type("sign", "r-stage.1", "--as", "ben", "--yes").stdout.strip()
    decision = deciding.decision_by(identities.by_code(code), "r-stage.1", stage.plan.digest, "approve", "cli")
    deciding.decide(stage.journal, decision)
    refused = desk.type("sign", "r-stage.1", "--as", "ben", "--yes").exception
    assert getattr(refused, "code", "") == "nothing_to_decide"


def test_figures_as_json_and_as_a_table(desk: Desk):
    """The same numbers, once for programs and once for people."""
    stage = desk.waiting(key_of(desk, "ben"))
    code = desk.type("sign", "r-stage.1", "--as", "ben", "--yes").stdout.strip()
    decision = deciding.decision_by(identities.by_code(code), "r-stage.1", stage.plan.digest, "approve", "cli")
    deciding.decide(stage.journal, decision)
    found = json.loads(desk.type("approvals", "stats", "--json").stdout)
    assert (found["asked"], found["by_approver"]["ben"]["approved"]) == (1, 1)
    table = desk.type("approvals", "stats").stdout
    assert "1 approvals asked (100.0 per 100 runs)" in table and "ben" in table
