"""Ed25519 keys and signatures, as the text forms that policies, key files and codes use.

Edge module: the only one that imports a signature library for approval codes; it is loaded when a code is made or
checked. Decides nothing about approvals.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bq_copilot.errors import Refused

PUBLIC = "ed25519:"


def new_key() -> tuple[str, str]:
    """Return a fresh (private key as PEM, public key as the policy writes it)."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    return pem, public_key(pem)


def public_key(pem: str) -> str:
    """Return the public key of a private one, `ed25519:…`. Raises Refused (`bad_key`)."""
    raw = _private(pem).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PUBLIC + text_of(raw)


def sign(pem: str, message: bytes) -> str:
    """Return the signature as text. Raises Refused (`bad_key`)."""
    return text_of(_private(pem).sign(message))


def is_signed(public: str, signature: str, message: bytes) -> bool:
    """Say whether the owner of the public key signed exactly this."""
    try:
        key = Ed25519PublicKey.from_public_bytes(_bytes_of(public.removeprefix(PUBLIC)))
        key.verify(_bytes_of(signature), message)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def text_of(raw: bytes) -> str:
    """Return bytes as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _private(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise Refused("That is no private key.", code="bad_key", next="`bq-copilot keys create`.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("The key is not an Ed25519 key.", code="bad_key", next="`bq-copilot keys create`.")
    return key
