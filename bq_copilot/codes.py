"""Approval codes: a short text that only one approver can make, for one verdict on one digest, for a while.

Decides what a code says, what its signature covers, and whether it fits a request. It knows no ledger and reads no
file; keys come in as text, the time too.
A code is `bqc1.<name>.<verdict>.<expiry>.<signature>`, so that its owner can read what it will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from bq_copilot.approval import ApprovalRequest, Decision, Person, detail_of
from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.errors import Refused

PREFIX = "bqc1"
SHAPE = re.compile(
    PREFIX + r"\.(?P<by>[^\s]{1,200})\.(?P<verdict>approve|reject|edit|delegate)"
    r"\.(?P<expires>[0-9]{1,10})\.(?P<signature>[A-Za-z0-9_-]{86})"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a code says of itself; nothing of it is true before the signature is checked."""

    by: str
    verdict: str
    expires: int
    """Seconds since 1970, UTC."""
    signature: str

    @property
    def expires_at(self) -> datetime:
        """Return the expiry as a moment."""
        return datetime.fromtimestamp(self.expires, UTC)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covers; two codes differ when any of it does."""

    request_id: str
    digest: str
    verdict: str
    by: str
    expires: int
    detail: str = ""
    """Digest of an edit's SQL or of a delegation's person."""

    def message(self) -> bytes:
        """Return the bytes that are signed."""
        said = {f: getattr(self, f) for f in ("request_id", "digest", "verdict", "by", "expires", "detail")}
        return canonical_json({"purpose": "bq-copilot approval code", "version": 1, **said})


def fingerprint(public: str) -> str:
    """Return the short name of a public key, as receipts show it."""
    return digest_bytes(public.encode())[7:23]


def sign(pem: str, signed: Signed) -> str:
    """Return the code. Raises Refused (`bad_key`)."""
    from bq_copilot import signatures  # noqa: PLC0415 - see `check`

    signature = signatures.sign(pem, signed.message())
    return f"{PREFIX}.{signed.by}.{signed.verdict}.{signed.expires}.{signature}"


def claim_of(code: str) -> Claim | None:
    """Return what the code says, None when the text is no code."""
    found = SHAPE.fullmatch(code.strip())
    if found is None:
        return None
    return Claim(found["by"], found["verdict"], int(found["expires"]), found["signature"])


def check(request: ApprovalRequest, decision: Decision, signer: Person | None, now: datetime | None) -> Claim:
    """Return the claim of the decision's code if it is this person's, for this request, digest and verdict.

    `now` is the database's clock; None leaves the expiry out, for receipts. Raises Refused (`code_…`).
    """
    from bq_copilot import signatures  # noqa: PLC0415 - loads OpenSSL, which only codes need

    claim = claim_of(decision.code)
    if claim is None:
        raise Refused("That is not an approval code.", code="code_invalid", next=_how(request))
    if signer is None or not signer.key:
        raise Refused(
            f"The policy knows no key of {claim.by}.",
            code="code_unknown_key",
            next="Its owner adds the line that `bq-copilot keys create` prints.",
        )
    if claim.verdict != decision.verdict:
        raise Refused(
            f"The code says {claim.verdict}, the decision says {decision.verdict}.",
            code="code_other_verdict",
            next=f"Make one with `bq-copilot sign {request.request_id} --verdict {decision.verdict}`.",
        )
    detail = detail_of(decision.verdict, decision.sql, decision.delegate_to)
    signed = Signed(request.request_id, decision.digest, claim.verdict, claim.by, claim.expires, detail)
    if not signatures.is_signed(signer.key, claim.signature, signed.message()):
        raise Refused(
            f"The code was not made by {claim.by} for this request and what it says now.",
            code="code_forged",
            next=_how(request),
        )
    if now is not None and now > claim.expires_at:
        raise Refused(
            f"The code expired at {claim.expires_at:%Y-%m-%d %H:%M} UTC.",
            code="code_expired",
            next=_how(request),
        )
    return claim


def _how(request: ApprovalRequest) -> str:
    return f"Make one with `bq-copilot sign {request.request_id}`."
