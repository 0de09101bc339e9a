"""Which service account plans, which one runs the jobs of a requester, and the credentials that act as it.

Decides: the account. Never does: keep a key or ask for a token; google-auth fetches one, for an hour at most, when the
first request is sent with it. Why this shape: the account that will run a job is known, shown and approved long before
anybody may act as it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import google.auth
from google.auth import impersonated_credentials
from google.auth.exceptions import DefaultCredentialsError

from bq_copilot.errors import Refused
from bq_copilot.spelling import plain

SCOPE = "https://www.googleapis.com/auth/bigquery"
"""All that a token for the warehouse is good for."""

SOURCE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""What the process's own account needs to ask for another one's token."""

SECONDS = 3600
"""Life of an impersonated token; the longest that Google gives without a change of organisation policy."""

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.:-]*")


@dataclass(frozen=True)
class Accounts:
    """The service accounts of one Warehouse block; all empty: everything runs as the block's own credentials."""

    reading: str = ""
    executing: str = ""
    by_requester: Mapping[str, str] = field(default_factory=dict[str, str])

    def executing_for(self, requester: str) -> str:
        """Return the account that runs this requester's jobs, empty for the block's own. Raises Refused."""
        named = {plain(who): account for who, account in self.by_requester.items()}
        found = named.get(plain(requester)) or self.executing
        if not found and named:
            raise Refused(
                f"No service account runs the jobs of {requester}.",
                code="unknown_requester",
                next="Add the requester to `executing_accounts` of the Warehouse block, or set `executing_account`.",
            )
        return found

    def problems(self) -> list[str]:
        """Return what is wrong with the names; two spellings of one person must not lead to two accounts."""
        named = [a for a in (self.reading, self.executing, *self.by_requester.values()) if a]
        wrong = [f"{a!r} is no service account's address" for a in named if not _ACCOUNT.fullmatch(a)]
        wrong += [f"{who!r} has no account" for who, account in self.by_requester.items() if not account]
        seen: dict[str, str] = {}
        for who in self.by_requester:
            first = seen.setdefault(plain(who), who)
            if first != who:
                wrong.append(f"{who!r} and {first!r} are the same person")
        return wrong


def own_credentials() -> Any:
    """Return the application default credentials. Raises Refused when there are none."""
    try:
        found, _ = google.auth.default(scopes=[SOURCE_SCOPE])
    except DefaultCredentialsError as error:
        raise Refused(
            "This process has no Google credentials.",
            code="no_credentials",
            next="Run it with a service account attached, or `gcloud auth application-default login`; "
            "or put a GcpCredentials block into the Warehouse block.",
        ) from error
    return found


def acting_as(account: str, source: Callable[[], Any], scope: str = SCOPE) -> Any:
    """Return credentials that act as `account`; no token is asked for yet."""
    return impersonated_credentials.Credentials(
        source_credentials=source(),
        target_principal=account,
        target_scopes=[scope],
        lifetime=SECONDS,
    )
