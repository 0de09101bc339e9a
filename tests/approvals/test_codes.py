"""Approval codes: only their owner makes them, and they hold for one verdict on one digest."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bq_copilot import codes, deciding, identities, key_files, permission, signatures
from bq_copilot.errors import Damaged, Refused
from bq_copilot.phases import Phase
from tests.approvals.stage import OWNERS, TIER_2_CODE, TIER_3, Stage, key, policy


def refusal(stage: Stage, code: str, verdict: str = "approve", **more: Any) -> str:
    """Return the code with which a decision by this approval code is refused."""
    with pytest.raises(Refused) as refused:
        stage.decide(identities.by_code(code), verdict, **more)
    assert stage.refusals()[-1].failure.code == refused.value.code
    return refused.value.code


def strict() -> Stage:
    """Return a stage that somebody else must approve with a code."""
    return Stage(policy(TIER_2_CODE))


def test_a_code_approves_and_is_recorded_with_its_key():
    """The decision names the person, the code and the fingerprint of the key."""
    stage = strict()
    code = stage.code("ben")
    decided = stage.decide(identities.by_code(code)).plan.decided  # type: ignore[union-attr]
    assert decided is not None
    assert (decided.by, decided.identity, decided.code) == ("ben", "code", code)
    assert decided.key == codes.fingerprint(signatures.public_key(key("ben")))


def test_a_code_is_short_enough_to_paste():
    """It fits a line of a form, and says whose it is and what it does."""
    code = strict().code("ben")
    assert len(code) < 130
    assert code.startswith("bqc1.ben.approve.")


def test_a_code_for_another_verdict_is_refused():
    """A code to reject does not approve."""
    assert refusal(strict(), strict().code("ben", "reject")) == "code_other_verdict"


@pytest.mark.parametrize(
    "other",
    [{"request_id": "r-other.1"}, {"digest": "sha256:" + "1" * 64}, {"detail": "x"}, {"by": "cora"}, {"by": "BEN"}],
)
def test_a_code_for_something_else_is_refused(other: dict[str, Any]):
    """Another request, digest, detail or name under the same signature does not verify."""
    stage = strict()
    code = stage.code("ben", **other)
    parts = code.split(".")
    parts[1] = "ben"
    assert refusal(stage, ".".join(parts)) == "code_forged"


def test_a_code_signed_by_somebody_else_is_refused():
    """Cora cannot make a code of ben's."""
    stage = strict()
    code = stage.code("cora", by="ben")
    assert code.startswith("bqc1.ben.")
    assert refusal(stage, code) == "code_forged"


def test_a_later_expiry_written_into_a_code_breaks_it():
    """The expiry is under the signature."""
    stage = strict()
    name, by, verdict, expires, signature = stage.code("ben").split(".")
    assert refusal(stage, f"{name}.{by}.{verdict}.{int(expires) + 9999}.{signature}") == "code_forged"


def test_an_expired_code_is_refused():
    """By the database's clock."""
    stage = strict()
    code = stage.code("ben")
    stage.ledger.advance(31 * 60)  # type: ignore[attr-defined]
    assert refusal(stage, code) == "code_expired"


def test_the_code_of_somebody_without_a_key_in_the_policy_is_refused():
    """A key that the policy does not list counts for nothing."""
    bare = Stage(policy(TIER_2_CODE, people={"ana": {}, "ben": {}}))
    assert refusal(bare, bare.code("ben")) == "code_unknown_key"


def test_the_requesters_own_code_is_refused():
    """A valid signature does not lift the rule that somebody else must approve."""
    stage = strict()
    assert refusal(stage, stage.code("ana")) == "own_request"


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_code_by_accident(text: str):
    """Whatever is typed into the field either is no code or does not verify."""
    identity = identities.by_code(text)
    assert identity.name == "" or codes.claim_of(text) is not None


@given(st.integers(min_value=0, max_value=130), st.characters(codec="ascii", categories=["L", "N"]))
def test_no_single_character_of_a_code_can_be_changed(at: int, other: str):
    """One changed character refuses, wherever it is (but for the signature's unused last bits)."""
    stage = strict()
    code = stage.code("ben")
    at %= len(code) - 1
    changed = code[:at] + other + code[at + 1 :]
    if changed != code:
        with pytest.raises(Refused):
            stage.decide(identities.by_code(changed))


def test_a_code_works_once():
    """The second use of the same code meets a request that is decided."""
    stage = strict()
    code = stage.code("ben")
    stage.decide(identities.by_code(code))
    with pytest.raises(Exception, match="ben approved it before"):
        stage.decide(identities.by_code(code))


def test_a_refused_code_is_not_kept():
    """The receipt of a refused attempt does not give the code away, because it may still be good."""
    stage = strict()
    refusal(stage, stage.code("ben", "reject"))
    assert stage.refusals()[0].decision.code == ""


def test_a_code_covers_the_sql_of_an_edit():
    """A code to edit holds for exactly the SQL that was signed."""
    stage = strict()
    decision = stage.decision("ben", "edit", sql=(("q1", "SELECT 1"),))
    swapped = decision.model_copy(update={"sql": (("q1", "SELECT 2"),)})
    with pytest.raises(Refused) as refused:
        deciding.decide(stage.journal, swapped)
    assert refused.value.code == "code_forged"
    assert deciding.decide(stage.journal, decision).plan.decided.verdict == "edit"  # type: ignore[union-attr]


def test_a_code_covers_the_person_of_a_delegation():
    """A code to delegate to cora does not delegate to dora."""
    stage = strict()
    decision = stage.decision("ben", "delegate", delegate_to="cora")
    with pytest.raises(Refused) as refused:
        deciding.decide(stage.journal, decision.model_copy(update={"delegate_to": "dora"}))
    assert refused.value.code == "code_forged"


def test_recorded_codes_verify_later():
    """From the receipts alone, long after the codes have expired."""
    stage = Stage(policy(TIER_3, roles=OWNERS))
    stage.decide("ben")
    stage.reload().decide("cora")
    stage.ledger.advance(10**7)  # type: ignore[attr-defined]
    assert stage.reload().state.phase is Phase.EXECUTING
    permission.recheck(stage.plan)


def test_a_recorded_code_that_was_changed_does_not_verify():
    """Replacing an approver in the receipts breaks the signature."""
    stage = strict()
    stage.decide("ben")
    plan = stage.reload().plan
    forged = tuple(a.model_copy(update={"by": "cora"}) for a in plan.approvals)
    from dataclasses import replace

    with pytest.raises(Damaged, match="cora"):
        permission.recheck(replace(plan, approvals=forged))


def test_a_key_file_is_private(tmp_path: Path):
    """The file is readable by its owner only, and never overwritten."""
    path, public = key_files.create(tmp_path, "ben")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signatures.public_key(key_files.read(tmp_path, "ben")) == public
    with pytest.raises(Refused, match="exists"):
        key_files.create(tmp_path, "ben")


def test_a_key_that_others_could_read_is_refused(tmp_path: Path):
    """A key with open rights may be known to others."""
    path, _ = key_files.create(tmp_path, "ben")
    path.chmod(0o640)
    with pytest.raises(Refused) as refused:
        key_files.read(tmp_path, "ben")
    assert refused.value.code == "key_exposed"


@pytest.mark.parametrize("name", ["../ben", "a/b", "", ".hidden", "a\x00b", "b n"])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str):
    """A key's name is a file name, not a path."""
    with pytest.raises(Refused):
        key_files.create(tmp_path, name)
