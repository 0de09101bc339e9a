"""Prefect's settings for a server that is named by its address: the address, and the login that belongs to it.

Decides nothing else, and leaves nothing behind. Why this shape: a server that asks for a login refuses whoever forgot
it, so there is one way to point Prefect at a server, and it cannot be used without.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from deployments.local.login import login_for


@contextmanager
def at_server(api_url: str) -> Iterator[None]:
    """Inside the block, Prefect speaks to this server. Raises Refused when others could read the login's file."""
    login = login_for(api_url, os.environ) or None
    with temporary_settings({PREFECT_API_URL: api_url, PREFECT_API_AUTH_STRING: login}):
        yield
