"""What counts as an outage of the Prefect server, and what as a fault of the run's own."""

from __future__ import annotations

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from tasks.outage import is_outage

REQUEST = httpx.Request("GET", "http://prefect/api")


def answered(status: int) -> PrefectHTTPStatusError:
    """Return what Prefect's client raises for this status."""
    answer = httpx.Response(status, request=REQUEST)
    return PrefectHTTPStatusError("no", request=REQUEST, response=answer)


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), answered(503)])
def test_a_server_that_cannot_be_reached_or_is_busy_is_an_outage(error: Exception) -> None:
    """Also where something else was raised because of it."""
    outer = RuntimeError("while pausing")
    outer.__cause__ = error
    assert is_outage(error)
    assert is_outage(outer)


@pytest.mark.parametrize("error", [ValueError("x"), answered(404), answered(422), KeyError("y")])
def test_anything_else_is_a_fault_of_its_own(error: Exception) -> None:
    """It is recorded, and counted against the run."""
    assert not is_outage(error)
