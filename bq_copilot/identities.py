"""Who somebody is, and how that is known.

Decides how a name is established: by the machine's own user database, by a signed code, or by the assertion of
an identity-aware proxy. Never takes a name from an environment variable or from a text field.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bq_copilot import codes
from bq_copilot.local_user import local_user as local_user_name


class How(StrEnum):
    """What a name rests on."""

    LOCAL_USER = "local-user"
    """The operating system's user of this process."""
    CODE = "code"
    """An approval code; its signature is checked where the decision is recorded."""
    PROXY = "proxy"
    """A signed assertion of the identity-aware proxy, checked on arrival."""
    FORM = "form"
    """Somebody who could open the Prefect form; nobody knows who."""
    POLICY = "policy"
    """No person: the policy's own tier 0."""
    GRANT = "grant"
    """No person now: a standing grant that somebody gave before, within its terms."""


OF_PEOPLE = frozenset(How) - {How.POLICY, How.GRANT}
"""What a person's own decision may rest on."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A name and what it rests on."""

    name: str
    how: How
    code: str = ""
    valid_until: datetime | None = None


FORM_USER = Identity("unverified form user", How.FORM)
"""Whoever fills the Prefect form without a code: it is never the requester, whoever that may be."""


def local_user() -> Identity:
    """Return the user that this process runs as, by user id: `$USER` and `$LOGNAME` are free texts."""
    return Identity(local_user_name(), How.LOCAL_USER)


def by_code(code: str) -> Identity:
    """Return whom a code names; without a name when the text is no code, which is refused and recorded later."""
    claim = codes.claim_of(code)
    if claim is None:
        return Identity("", How.CODE, code=code.strip())
    return Identity(claim.by, How.CODE, code=code.strip(), valid_until=claim.expires_at)
