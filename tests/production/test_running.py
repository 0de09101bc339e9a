"""How the production doctor makes its checks: nothing hides anything, nothing hangs, nothing leaks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from blocks.warehouse import Warehouse
from bq_copilot.errors import LedgerUnavailable
from bq_copilot.prefect_api import PrefectApi
from deployments.examining import elsewhere, view
from deployments.local.home import PROJECT_ROOT, Home
from deployments.production.doctor import doctor, secrets_of
from deployments.production.running import hide, run
from deployments.production.scene import Check, Scene, safe_url
from deployments.verdicts import Severity, Verdict, bad, by_severity, good, is_well, skipped


@pytest.fixture
def scene() -> Iterator[Scene]:
    """An installation whose server answers nothing."""
    api = PrefectApi("http://x/api", transport=httpx.MockTransport(lambda _: httpx.Response(404)))
    yield Scene(api, {}, answers=True)
    api.close()


def raising(error: Exception) -> Check:
    def look(_: Scene) -> NoReturn:
        raise error

    return Check(type(error).__name__, look)


def fine(name: str) -> Check:
    return Check(name, lambda _: [good(name, "as it should be")])


def test_a_check_that_breaks_is_a_verdict_and_hides_no_other(scene: Scene) -> None:
    """Our own errors say what to do next; anything else is the check's own fault; the order stays."""
    broken = [raising(LedgerUnavailable("down", next="start it")), raising(ZeroDivisionError("oops"))]
    found = run([fine("a"), *broken, fine("b")], scene)
    assert [(v.check, str(v.severity)) for v in found] == [
        ("a", "good"),
        ("LedgerUnavailable", "bad"),
        ("ZeroDivisionError", "bad"),
        ("b", "good"),
    ]
    assert found[1].mend == "start it" and "ZeroDivisionError: oops" in found[2].found


def test_a_check_that_hangs_is_left_behind(scene: Scene) -> None:
    """It is wrong after its own time, and what comes after it is told."""
    for_ever = threading.Event()

    def hang(_: Scene) -> list[Verdict]:
        for_ever.wait(60)
        return []

    found = run([Check("slow", hang, seconds=0.05), fine("b")], scene)
    for_ever.set()
    assert [(v.check, str(v.severity)) for v in found] == [("slow", "bad"), ("b", "good")]
    assert "no answer within" in found[0].found


def test_what_cannot_be_looked_at_says_why_and_is_not_good(scene: Scene) -> None:
    """No server, no block, no ledger."""
    needs = [Check("block", list, needs=(Warehouse,)), Check("ledger", list, ledger=True)]
    found = run(needs, scene)
    assert [v.severity for v in found] == [Severity.SKIPPED] * 2
    assert "bq-copilot-warehouse/default" in found[0].found and "ledger" in found[1].found
    scene.answers = False
    assert "server" in run([fine("a")], scene)[0].found


def test_secrets_are_taken_out_of_whatever_is_said(scene: Scene) -> None:
    """Those of the environment and of the blocks, in findings and in remedies; short words stay."""
    scene.environ = {"PREFECT_API_AUTH_STRING": "admin:hunter2hunter2", "PREFECT_API_KEY": "pnu_12345"}
    scene.secrets = {"sk-123456", "abc"}
    leaky = [bad("a", "admin:hunter2hunter2 at sk-123456", "use hunter2hunter2, pnu_12345 or abc")]
    (told,) = hide(leaky, secrets_of(scene))
    assert told.found == "******** at ********" and told.mend == "use ********, ******** or abc"
    assert safe_url("postgresql+psycopg://u:hunter22@h/l") == "postgresql+psycopg://u:***@h/l"


def test_only_what_is_wrong_makes_it_unwell() -> None:
    """Warnings and what was not looked at are counted, and are not wrong."""
    some = [good("a", ""), skipped("b", ""), Verdict("c", Severity.WARNING, "")]
    assert is_well(some) and not is_well([*some, bad("d", "", "")])
    assert by_severity(some) == {"good": 1, "warning": 1, "bad": 0, "skipped": 1}


def test_a_server_that_is_down_ends_the_visit_with_a_verdict_for_every_check() -> None:
    """One thing is wrong; everything that rests on it says so."""
    found = doctor("http://127.0.0.1:9/api", {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "default")
    wrong = [v.check for v in found if v.severity is Severity.BAD]
    assert wrong == ["server"]
    unseen = {v.check for v in found if v.severity is Severity.SKIPPED}
    assert unseen >= {"blocks", "ledger", "workers", "warehouse", "recovery"}


def test_the_documented_json_is_what_is_printed() -> None:
    """Every key of the example in docs/cli.md, and no other one."""
    printed = view("local", "default", [bad("a", "b", "c")])
    text = (PROJECT_ROOT / "docs" / "cli.md").read_text("utf-8").partition("```json doctor\n")[2].partition("```")[0]
    example = json.loads(text)
    assert printed.keys() == example.keys() and printed["counts"].keys() == example["counts"].keys()
    assert printed["verdicts"][0].keys() == example["verdicts"][0].keys()


def test_which_doctor_comes(tmp_path: Path) -> None:
    """The local stack's own, unless another server or another environment is named."""
    home = Home(tmp_path)
    assert elsewhere(home, {}, "default") == elsewhere(home, {}, "prod") == ""
    assert elsewhere(home, {"PREFECT_API_URL": "http://far/api/"}, "default") == "http://far/api"
