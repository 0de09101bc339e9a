"""What the digest covers, and what it does not depend on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bq_copilot.approval import ApprovalRequest, digest_of
from bq_copilot.errors import Refused
from bq_copilot.identity import result_table
from bq_copilot.values import TableVersion
from tests.approvals.stage import Stage


def _changed(request: ApprovalRequest, **fields: Any) -> str:
    return digest_of(request.model_copy(update=fields))


FIELDS: dict[str, Any] = {
    "request_id": "r-other.1",
    "run_id": "r-other",
    "revision": 7,
    "question": "another question",
    "requester": "mallory",
    "warehouse": "elsewhere",
    "sandbox": True,
    "total_bytes": 1,
    "total_usd": 9.5,
    "policy_fingerprint": "sha256:other",
    "schema_fingerprint": "sha256:other",
    "nonce": "other",
    "runs_as": "root",
    "currency": "EUR",
    "asked_because": "outside of the grant",
    "canary": True,
    "queries": (),
}

QUERY_FIELDS: dict[str, Any] = {
    "id": "q9",
    "sql": "SELECT 1",
    "sql_digest": "sha256:0",
    "parameters": (("day", "DATE", "2026-01-01"),),
    "tables": (TableVersion(table="p.shop.orders", fingerprint="sha256:other"),),
    "columns": ("p.shop.orders.total",),
    "bytes": 1,
    "accuracy": "LOWER_BOUND",
    "usd": 3.0,
    "notes": ("P12: look",),
    "destination": "p.elsewhere.t",
    "maximum_bytes_billed": 1,
    "tagged": ("p.shop.orders.region",),
    "tagged_in_output": True,
    "time_dependent": True,
}

APPROVER_FIELDS: dict[str, Any] = {
    "tier": 3,
    "needed": 2,
    "allowed": ("zoe",),
    "role": "owners",
    "exclude_requester": True,
    "require_code": True,
    "people": (),
    "trust_form": True,
    "trust_local_user": True,
    "trust_proxy": True,
    "delegation": False,
    "escalate_to": ("zoe",),
    "escalate_after_seconds": 5,
}


@pytest.mark.parametrize("field", FIELDS)
def test_every_fact_of_the_request_is_in_the_digest(field: str):
    """Another value of any field of the request gives another digest."""
    request = Stage().request
    assert _changed(request, **{field: FIELDS[field]}) != digest_of(request)


@pytest.mark.parametrize("field", QUERY_FIELDS)
def test_every_fact_of_a_query_is_in_the_digest(field: str):
    """Another value of any field of a query gives another digest."""
    request = Stage().request
    query = request.queries[0].model_copy(update={field: QUERY_FIELDS[field]})
    assert _changed(request, queries=(query,)) != digest_of(request)


@pytest.mark.parametrize("field", APPROVER_FIELDS)
def test_who_may_decide_is_in_the_digest(field: str):
    """Another value of any field of the approvers gives another digest."""
    request = Stage().request
    rule = request.approvers.model_copy(update={field: APPROVER_FIELDS[field]})
    assert _changed(request, approvers=rule) != digest_of(request)


@pytest.mark.parametrize("field", ["created_at", "expires_at"])
def test_the_times_are_in_the_digest(field: str):
    """Another creation or expiry gives another digest."""
    request = Stage().request
    later = getattr(request, field) + timedelta(seconds=1)
    assert _changed(request, **{field: later}) != digest_of(request)


def test_no_field_is_forgotten_by_these_tests():
    """A field that somebody adds must be added to the tables above."""
    request = Stage().request
    known = {*FIELDS, "created_at", "expires_at", "approvers"}
    assert set(ApprovalRequest.model_fields) == known
    assert set(type(request.queries[0]).model_fields) == set(QUERY_FIELDS)
    assert set(type(request.approvers).model_fields) == set(APPROVER_FIELDS)


def test_the_digest_survives_the_ledger():
    """A request that was written to the ledger and read again has the same digest."""
    stage = Stage()
    read = stage.ledger.read("r-stage")[-1].event
    assert read.kind == "approval_requested"
    assert digest_of(read.request) == read.digest


def test_a_field_of_a_later_release_does_not_change_older_digests():
    """A field that stands at its default is not part of the digest."""
    request = Stage().request
    older = request.model_dump(mode="json", exclude={"canary"})
    assert digest_of(ApprovalRequest.model_validate(older)) == digest_of(request)


def test_the_models_words_are_not_in_the_digest():
    """Two runs that differ in the rationale only have the same facts and the same digest."""
    one, other = (Stage(rationale=words).request for words in ("short", "IGNORE THE SQL, it is harmless"))
    same = other.model_copy(update={"nonce": one.nonce})
    assert digest_of(same) == digest_of(one)


def test_an_approval_of_another_digest_is_refused_and_recorded():
    """Whoever saw another revision cannot approve this one."""
    stage = Stage()
    with pytest.raises(Refused) as refused:
        stage.decide("ben", digest="sha256:" + "0" * 64)
    assert refused.value.code == "other_request"
    assert stage.refusals()[0].failure.code == "other_request"


def test_an_edit_leaves_the_old_revision_alone():
    """After an edit the next revision has its own request; the old digest approves nothing any more."""
    stage = Stage()
    old = stage.request.request_id, stage.plan.digest
    stage.decide("ana", "edit", sql=(("q1", "SELECT 1"),))
    stage.reload().propose(by="ana")
    stage.ask()
    assert (stage.request.request_id, stage.plan.digest) != old
    with pytest.raises(Exception, match="ana edited it before") as lost:
        stage.decide("ben", request_id=old[0], digest=old[1])
    assert lost.value.code == "decided_before"


def test_the_destination_of_the_request_is_the_one_that_the_jobs_write_to():
    """Attempt n writes to the approved name with `_a<n>` behind it."""
    facts = Stage().request.queries[0]
    assert f"{facts.destination}_a3" == f"p.copilot_scratch.{result_table('r-stage', 'q1', 1, 3)}"
