"""A standing grant: what a person allows a series of follow-ups to run without asking again, and the digest of that.

Only values. The terms hold the whole request that was approved once (`basis`): its SQL, tables with their schemas,
columns, policy and account are the shape that every later use is compared with. Whether a use is inside stands in
`grants`; that the sum of all uses stays below the ceiling is decided where a use is recorded.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from bq_copilot.approval import ApprovalRequest, Decision
from bq_copilot.canonical import digest
from bq_copilot.rhythm import Rhythm
from bq_copilot.values import Value


class GrantTerms(Value):
    """What is granted; the person who gives it decides about the digest of this."""

    series: str
    basis: ApprovalRequest
    bytes_per_run: int = Field(gt=0)
    """The sum of `maximum_bytes_billed` of one run may not be more."""
    bytes_total: int = Field(gt=0)
    """All runs together may not bill more."""
    until: datetime
    """After this moment every run asks again."""
    rhythm: Rhythm
    percent: float | None = None
    """The condition under which a result is told; part of what was granted."""


def digest_of_terms(terms: GrantTerms) -> str:
    """Return `sha256:<hex>` over the canonical form; fields at their default are left out, as in an approval."""
    return digest(terms.model_dump(mode="json", exclude_defaults=True))


class Grant(Value):
    """Terms, and the decision of the person who gave them."""

    terms: GrantTerms
    digest: str
    decision: Decision
