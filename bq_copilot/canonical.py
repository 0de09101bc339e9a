"""Canonical bytes of a JSON value, and their digest.

Decides the one byte form (RFC 8785) over which every hash of the project is taken: chain hashes, approval
digests, fingerprints. It never touches floats that JSON cannot carry, and never guesses a type: what is not
JSON is refused. It stands alone so that a receipt can be verified with nothing else installed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import cast

type_error = "not a JSON value: {kind}. Convert it to text, a number, a list or an object first."


def canonical_json(value: object) -> bytes:
    """Return the RFC 8785 form of `value` as UTF-8 bytes.

    Raises TypeError for anything that is not JSON, ValueError for NaN, infinities and integers beyond 2**53.
    """
    return _write(value).encode("utf-8")


def digest(value: object) -> str:
    """Return `sha256:<hex>` over the canonical form of `value`."""
    return digest_bytes(canonical_json(value))


def digest_bytes(data: bytes) -> str:
    """Return `sha256:<hex>` over raw bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _write(value: object) -> str:
    match value:
        case str():
            return encode_basestring(value)
        case None | True | False:
            return "null" if value is None else "true" if value else "false"
        case int():
            return _integer(value)
        case float():
            return _double(value)
        case Mapping():
            value = cast("Mapping[object, object]", value)
            return "{" + ",".join([f"{encode_basestring(k)}:{_write(value[k])}" for k in _sorted(value)]) + "}"
        case Sequence() if not isinstance(value, (bytes, bytearray)):
            return "[" + ",".join([_write(item) for item in cast("Sequence[object]", value)]) + "]"
        case _:
            raise TypeError(type_error.format(kind=type(value).__name__))


def _sorted(keys: Iterable[object]) -> list[str]:
    """Return keys in the order of their UTF-16 code units, which for ASCII is the plain one."""
    texts = [_text(key) for key in keys]
    return sorted(texts) if all(map(str.isascii, texts)) else sorted(texts, key=_utf16)


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(type_error.format(kind=f"object key of type {type(key).__name__}"))
    return key


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _integer(value: int) -> str:
    if abs(value) > 2**53:
        raise ValueError(f"{value} is beyond 2**53, which JSON readers round. Write it as text.")
    return str(value)


def _double(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        raise ValueError(f"{value} has no JSON form. Write null or text.")
    if value == int(value) and abs(value) < 1e21:
        return _whole(value)
    text = repr(value)
    if "e" not in text:
        return text
    return _exponent(value, text)


def _whole(value: float) -> str:
    """JavaScript pads the shortest digits with zeros where Python would print the exact integer."""
    if abs(value) <= 2**53:
        return str(int(value))
    mantissa, _, exponent = f"{value!r}".partition("e")
    digits, _, fraction = mantissa.partition(".")
    if not exponent:
        return digits
    return digits + fraction.removesuffix("0" if fraction == "0" else "").ljust(int(exponent), "0")


def _exponent(value: float, text: str) -> str:
    """JavaScript switches to exponents at 1e21 and below 1e-6; Python at 1e16 and below 1e-4."""
    mantissa, exponent = text.split("e")
    power = int(exponent)
    if -7 < power < 0:
        digits = mantissa.replace(".", "").replace("-", "")
        return ("-" if value < 0 else "") + "0." + "0" * (-power - 1) + digits
    return f"{mantissa.removesuffix('.0')}e{'+' if power > 0 else '-'}{abs(power)}"
