"""Telling an outage of the Prefect server from a fault of the run's own.

Decides: which exceptions of Prefect's client mean `the server does not answer now`. An outage is waited for and never
counted against a run; whatever else comes out of a step may be its own fault.
"""

from __future__ import annotations

import httpx
from prefect.exceptions import PrefectHTTPStatusError

BUSY = frozenset({408, 429, 500, 502, 503, 504})


def is_outage(error: BaseException) -> bool:
    """True when the error, or what caused it, says that the Prefect server cannot be reached or is overloaded."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, httpx.TransportError):
            return True
        if isinstance(seen, PrefectHTTPStatusError) and seen.response.status_code in BUSY:
            return True
        seen = seen.__cause__
    return False
