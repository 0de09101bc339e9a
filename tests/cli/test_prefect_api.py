"""What the few calls to the Prefect API make of its answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bq_copilot.errors import Refused, Unreachable
from bq_copilot.prefect_api import PrefectApi, headers_of
from tests.cli.prefect_double import FLOW_RUN, PrefectDouble, serving


@pytest.fixture
def double() -> Iterator[PrefectDouble]:
    """A server."""
    with serving(PrefectDouble()) as server:
        yield server


@pytest.mark.parametrize("status", ["REJECT", "ABORT"])
def test_an_http_200_that_rejects_is_a_rejection(double: PrefectDouble, status: str) -> None:
    """Prefect answers 200 to what it refuses; the reason is returned, not mistaken for success."""
    double.answer = lambda *_: (200, {"status": status, "details": {"reason": "late"}})  # type: ignore[method-assign]
    assert PrefectApi(double.url).resume(FLOW_RUN, {"decision": "approve"}) == f"{status}: late"


def test_an_unknown_flow_run_is_none(double: PrefectDouble) -> None:
    """404 means that there is none; it is no error."""
    double.answer = lambda *_: (404, {})  # type: ignore[method-assign]
    assert PrefectApi(double.url).flow_run(FLOW_RUN) is None


def test_a_flow_run_is_found_by_the_key_it_was_created_with(double: PrefectDouble) -> None:
    """Before its first event names it, a flow run is known by its run's id."""
    api = PrefectApi(double.url)
    assert api.flow_run_of("r-1") is None
    created = api.create_run("analyze/analyze", {"question": "q"}, "q", "r-1")
    assert api.flow_run_of("r-1") == created


def test_a_server_that_stays_busy_is_unreachable(double: PrefectDouble) -> None:
    """A 503 that does not pass is said to be one, with what to do."""
    double.busy = 1_000
    with pytest.raises(Unreachable, match="503") as caught:
        PrefectApi(double.url).flow_run(FLOW_RUN)
    assert "bq-copilot up" in caught.value.next
    assert len(double.calls) >= 2


def test_a_closed_port_is_unreachable() -> None:
    """Nobody listens: Unreachable, with the address."""
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        PrefectApi("http://127.0.0.1:9/api").flow_run(FLOW_RUN)


def test_a_server_that_wants_a_password_gets_it_from_prefects_own_variable(double: PrefectDouble) -> None:
    """Without PREFECT_API_AUTH_STRING the refusal names it; with it the call works."""
    headers = headers_of({"PREFECT_API_AUTH_STRING": "admin:pass"})
    double.token = headers["Authorization"]
    with pytest.raises(Refused, match="401") as caught:
        PrefectApi(double.url).flow_run(FLOW_RUN)
    assert "PREFECT_API_AUTH_STRING" in caught.value.next
    assert PrefectApi(double.url, headers).flow_run(FLOW_RUN) is not None


def test_a_page_that_is_no_api_is_named(double: PrefectDouble) -> None:
    """The UI's address instead of the API's gives a hint about /api."""
    double.answer = lambda *_: (404, {})  # type: ignore[method-assign]
    with pytest.raises(Refused, match="does not know") as caught:
        PrefectApi(double.url).flow_run_of("r-1")
    assert "/api" in caught.value.next
