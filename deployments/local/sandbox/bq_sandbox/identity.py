"""Who is calling: an e-mail address, without proof.

Decides only what is written into `user_email` and whose jobs a listing shows. It is no authentication: the sandbox
listens on 127.0.0.1 and believes what it is told.
"""

from __future__ import annotations

import re

from starlette.requests import Request

DEFAULT_USER = "sandbox@localhost"
HEADER = "x-sandbox-user"

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+-]")


def caller(request: Request) -> str:
    """The header's address, else the bearer token (an address, or made into one), else the default."""
    named = request.headers.get(HEADER)
    if named:
        return _UNSAFE.sub("", named) or DEFAULT_USER
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return DEFAULT_USER
    text = _UNSAFE.sub("", token)[:64]
    return text if "@" in text else f"{text}@sandbox.localhost"
