"""How a name is established: the machine's user, and the proxy's signed assertion."""

from __future__ import annotations

import base64
import json
import os
import pwd
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bq_copilot import identities
from bq_copilot.errors import Refused
from bq_copilot.policy import Proxy
from bq_copilot.proxy import by_assertion

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
CLAIMS = {"iss": "https://proxy", "aud": "bq-copilot", "email": "ben@example.com"}


@cache
def keys() -> dict[str, Any]:
    """Return one private key of each kind."""
    return {
        "ed": ed25519.Ed25519PrivateKey.generate(),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "rsa": rsa.generate_private_key(65537, 2048),
    }


def pem(kind: str) -> str:
    """Return the public half as PEM."""
    return keys()[kind].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def proxy(*kinds: str) -> Proxy:
    """Return a proxy that signs with these keys, each under its own name."""
    named = {k: pem(k) for k in kinds or ("ed", "p256")}
    return Proxy(issuer="https://proxy", audience="bq-copilot", keys=named)


def token(kind: str = "ed", algorithm: str = "EdDSA", *, kid: str | None = None, **claims: Any) -> str:
    """Return an assertion; a claim of None is left out."""
    times = {"iat": NOW.timestamp() - 10, "exp": NOW.timestamp() + 60}
    said = {k: v for k, v in {**CLAIMS, **times, **claims}.items() if v is not None}
    return jwt.encode(said, keys()[kind], algorithm, headers={"kid": kid or kind})


def refusal(assertion: str, rules: Proxy | None = None) -> str:
    """Return the code with which the assertion is refused."""
    with pytest.raises(Refused) as refused:
        by_assertion(assertion, rules or proxy(), NOW)
    return refused.value.code


def test_the_local_user_is_the_process_owner(monkeypatch: pytest.MonkeyPatch):
    """Not what $USER, $LOGNAME, $USERNAME or $LNAME say."""
    for variable in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    found = identities.local_user()
    assert (found.name, found.how) == (pwd.getpwuid(os.getuid()).pw_name, "local-user")


@pytest.mark.parametrize(("kind", "algorithm"), [("ed", "EdDSA"), ("p256", "ES256")])
def test_an_assertion_names_the_caller(kind: str, algorithm: str):
    """Ed25519 and P-256 signatures are believed; the identity ends with the assertion."""
    found = by_assertion(token(kind, algorithm), proxy(), NOW)
    assert (found.name, found.how) == ("ben@example.com", "proxy")
    assert found.valid_until == datetime(2026, 7, 1, 9, 1, tzinfo=UTC)


def test_an_assertion_without_a_key_id_needs_a_single_key():
    """One key leaves no doubt; two do."""
    times = {"iat": NOW.timestamp(), "exp": NOW.timestamp() + 60}
    bare = jwt.encode({**CLAIMS, **times}, keys()["ed"], "EdDSA")
    assert by_assertion(bare, proxy("ed"), NOW).name == "ben@example.com"
    assert refusal(bare) == "assertion_invalid"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-service"},
        {"iss": "https://evil"},
        {"aud": None},
        {"iss": None},
        {"exp": None},
        {"iat": None},
        {"email": None},
        {"email": ""},
        {"email": ["ben@example.com"]},
        {"iat": NOW.timestamp() + 3600, "exp": NOW.timestamp() + 7200},
    ],
)
def test_a_wrong_claim_is_refused(claims: dict[str, Any]):
    """Another audience or issuer, a missing claim, a name that is no text, a token from the future."""
    assert refusal(token(**claims)) == "assertion_invalid"


def test_an_expired_assertion_is_refused_by_the_databases_clock():
    """The clock is handed in; the machine's own does not matter."""
    assert refusal(token(exp=NOW.timestamp() - 1)) == "assertion_expired"


def test_a_key_that_the_policy_does_not_name_is_refused():
    """Neither under its own id nor under the id of a known key."""
    assert refusal(token("p256", "ES256"), proxy("ed")) == "assertion_invalid"
    assert refusal(token("p256", "ES256", kid="ed")) == "assertion_invalid"


@pytest.mark.parametrize(("kind", "algorithm"), [("rsa", "RS256"), ("p384", "ES384")])
def test_other_kinds_of_keys_are_refused(kind: str, algorithm: str):
    """Only Ed25519 and P-256 are taken, even when the policy lists another key."""
    assert refusal(token(kind, algorithm), proxy(kind)) == "assertion_invalid"


def test_an_unsigned_assertion_is_refused():
    """`alg: none` is nobody's word."""
    parts = [{"alg": "none", "kid": "ed"}, {**CLAIMS, "iat": NOW.timestamp(), "exp": NOW.timestamp() + 60}]
    raw = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    assert refusal(f"{raw[0]}.{raw[1]}.") == "assertion_invalid"


def test_a_public_key_is_no_shared_secret():
    """A token made with HMAC over the public key's text is refused."""
    import hashlib
    import hmac

    head = {"alg": "HS256", "kid": "ed"}
    body = {**CLAIMS, "iat": NOW.timestamp(), "exp": NOW.timestamp() + 60}
    raw = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in (head, body))
    mac = hmac.new(pem("ed").encode(), raw.encode(), hashlib.sha256).digest()
    assert refusal(f"{raw}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}") == "assertion_invalid"


@pytest.mark.parametrize("assertion", ["a.b.c", "no token", "....", "é.é.é"])
def test_garbage_is_refused(assertion: str):
    """Whatever is no token is refused, not raised."""
    assert refusal(assertion) == "assertion_invalid"


def test_a_call_without_an_assertion_has_no_identity():
    """No header, or no proxy in the policy: nobody knows who calls."""
    assert refusal("") == "no_identity"
    with pytest.raises(Refused) as refused:
        by_assertion(token(), None, NOW)
    assert refused.value.code == "no_identity"
