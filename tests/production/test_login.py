"""Which login the production doctor finds missing or wrong, in front of a server that asks for one."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from deployments.production.doctor import doctor
from deployments.verdicts import Severity, Verdict
from tests.cli.prefect_double import PrefectDouble, serving

LOGIN = "admin:hunter22-hunter22"


class Guarded(PrefectDouble):
    """A server that tells its version to whoever has the login, and holds nothing."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/admin/version":
            return 200, "3.8.8"
        found = path.endswith("/filter") and not path.startswith("/work_pools/")
        return (200, []) if found else (404, {"detail": "not found"})


@pytest.fixture
def server() -> Iterator[str]:
    """Its address."""
    token = "Basic " + base64.b64encode(LOGIN.encode()).decode()
    with serving(Guarded(token=token)) as double:
        yield double.url


def visit(url: str, **login: str) -> dict[str, Verdict]:
    """Every verdict by its check, the last one of each; nobody prints the password."""
    found = doctor(url, {"PREFECT_API_URL": url, **login})
    assert "hunter22" not in "".join(f"{v.found}{v.mend}" for v in found)
    return {v.check: v for v in found}


def test_a_missing_and_a_wrong_login_are_told_apart(server: str) -> None:
    """Each with its remedy; nothing that rests on the server counts as good."""
    none, wrong = visit(server), visit(server, PREFECT_API_AUTH_STRING="admin:something")
    assert none["login"].severity is wrong["login"].severity is Severity.BAD
    assert "set PREFECT_API_AUTH_STRING" in none["login"].mend
    assert "correct PREFECT_API_AUTH_STRING" in wrong["login"].mend
    assert none["work pool"].severity is none["workers"].severity is Severity.SKIPPED


def test_the_right_login_is_taken_and_an_empty_server_lacks_everything(server: str) -> None:
    """Nobody else gets in; what provisioning and operators make is missing, each with what makes it."""
    found = visit(server, PREFECT_API_AUTH_STRING=LOGIN)
    assert found["login"].severity is found["server"].severity is Severity.GOOD
    provision = "python -m deployments.provision"
    assert found["work pool"].mend == found["deployments"].mend == found["limits"].mend == provision
    assert "prefect block create bq-copilot-policy" in found["block policy"].mend
    assert found["queues"].severity is found["workers"].severity is found["ledger"].severity is Severity.SKIPPED
