"""The identity-aware proxy's assertion: a signed token in a header that says who is calling.

Decides whether a token is believed: the key that the policy names, issuer, audience, and time. Edge module. A
header without a signature says nothing, because anybody who reaches the port can send it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bq_copilot.errors import Refused
from bq_copilot.identities import How, Identity
from bq_copilot.policy import Proxy

LEEWAY_SECONDS = 30.0
"""How far the proxy's clock may differ from the database's."""


def by_assertion(token: str, proxy: Proxy | None, now: datetime) -> Identity:
    """Return the caller whom the proxy's token names; `now` is the database's clock.

    Raises Refused (`no_identity`, `assertion_invalid`, `assertion_expired`).
    """
    if proxy is None or not token:
        why = "the policy names no proxy" if proxy is None else "the call carries no assertion"
        raise Refused(f"Nobody knows who calls: {why}.", code="no_identity", next="Call through the proxy.")
    claims = _claims(token, proxy)
    ends = _within(claims, now)
    name = claims.get(proxy.claim)
    if not isinstance(name, str) or not name.strip():
        raise Refused(f"The assertion has no claim {proxy.claim!r}.", code="assertion_invalid")
    return Identity(name.strip(), How.PROXY, valid_until=ends)


def _claims(token: str, proxy: Proxy) -> dict[str, Any]:
    try:
        key, algorithm = _key(token, proxy)
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=proxy.audience,
            issuer=proxy.issuer,
            options={"require": ["exp", "iat", "aud", "iss"], "verify_exp": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise Refused(f"The proxy's assertion is not believed: {error}", code="assertion_invalid") from error


def _key(token: str, proxy: Proxy) -> tuple[Ed25519PublicKey | EllipticCurvePublicKey, str]:
    """Return the key that the policy names and the one algorithm that fits it; the token chooses neither."""
    named = jwt.get_unverified_header(token).get("kid")
    pem = proxy.keys.get(str(named)) if named else None
    if pem is None and named is None and len(proxy.keys) == 1:
        pem = next(iter(proxy.keys.values()))
    if pem is None:
        raise ValueError("its key is not in the policy")
    key = load_pem_public_key(pem.encode())
    if isinstance(key, Ed25519PublicKey):
        return key, "EdDSA"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key, "ES256"
    raise ValueError("its key is neither Ed25519 nor P-256")


def _within(claims: dict[str, Any], now: datetime) -> datetime:
    begins, ends = _moment(claims, "iat"), _moment(claims, "exp")
    if begins.timestamp() - LEEWAY_SECONDS > now.timestamp():
        raise Refused("The proxy's assertion is from the future.", code="assertion_invalid")
    if ends < now:
        raise Refused(f"The proxy's assertion expired at {ends:%H:%M:%S} UTC.", code="assertion_expired")
    return ends


def _moment(claims: dict[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 2**40:
        raise Refused(f"The assertion's {name} is no time.", code="assertion_invalid")
    return datetime.fromtimestamp(value, UTC)
