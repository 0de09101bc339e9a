"""Approval codes: a short text that only one approver can make, for one verdict on one digest, for a while.

Decides what a code says, what its signature covers, and whether it fits a request. Edge module: the only one
that imports a signature library. It knows no ledger and reads no file; keys come in as text, the time too.
A code is `bqc1.<name>.<verdict>.<expiry>.<signature>`, so that its owner can read what it will do.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bq_copilot.approval import ApprovalRequest, Decision, Person, detail_of
from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.errors import Refused

PREFIX = "bqc1"
PUBLIC = "ed25519:"
SHAPE = re.compile(
    PREFIX + r"\.(?P<by>[^\s]{1,200})\.(?P<verdict>approve|reject|edit|delegate)"
    r"\.(?P<expires>[0-9]{1,12})\.(?P<signature>[A-Za-z0-9_-]{86})"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a code says of itself; nothing of it is true before the signature is checked."""

    by: str
    verdict: str
    expires: int
    """Seconds since 1970, UTC."""
    signature: bytes

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


def new_key() -> tuple[str, str]:
    """Return a fresh (private key as PEM, public key as the policy writes it)."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    return pem, public_key(pem)


def public_key(pem: str) -> str:
    """Return the public key of a private one, `ed25519:…`. Raises Refused (`bad_key`)."""
    raw = _private(pem).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PUBLIC + _text(raw)


def fingerprint(public: str) -> str:
    """Return the short name of a public key, as receipts show it."""
    return digest_bytes(public.encode())[7:23]


def sign(pem: str, signed: Signed) -> str:
    """Return the code. Raises Refused (`bad_key`)."""
    signature = _private(pem).sign(signed.message())
    return f"{PREFIX}.{signed.by}.{signed.verdict}.{signed.expires}.{_text(signature)}"


def claim_of(code: str) -> Claim | None:
    """Return what the code says, None when the text is no code."""
    found = SHAPE.fullmatch(code.strip())
    if found is None:
        return None
    signature = base64.urlsafe_b64decode(found["signature"] + "==")
    return Claim(found["by"], found["verdict"], int(found["expires"]), signature)


def check(request: ApprovalRequest, decision: Decision, signer: Person | None, now: datetime | None) -> Claim:
    """Return the claim of the decision's code if it is this person's, for this request, digest and verdict.

    `now` is the database's clock; None leaves the expiry out, for receipts. Raises Refused (`code_…`).
    """
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
    if not is_signed(signer.key, claim.signature, signed):
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


def is_signed(public: str, signature: bytes, signed: Signed) -> bool:
    """Say whether the owner of the public key signed exactly this."""
    try:
        raw = base64.urlsafe_b64decode(public.removeprefix(PUBLIC) + "=")
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, signed.message())
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def _private(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise Refused(f"That is no private key: {error}", code="bad_key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("The key is not an Ed25519 key.", code="bad_key", next="`bq-copilot keys create`.")
    return key


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _how(request: ApprovalRequest) -> str:
    return f"Make one with `bq-copilot sign {request.request_id}`."
