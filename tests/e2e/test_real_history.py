"""A run of the running stack in the list and as a page; the pictures in the documentation are taken here."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Browser, expect

from bq_copilot.client import RunHandle
from bq_copilot.errors import Refused
from bq_copilot.phases import Phase
from bq_copilot.viewer import serving
from deployments.local.home import PROJECT_ROOT
from tests.e2e.pages import DOCUMENTED
from tests.live import PATIENCE, Live

IMAGES = PROJECT_ROOT / "docs" / "images"
QUESTION = "How did revenue per month develop in 2025?"


def test_a_run_of_the_stack_in_the_list_and_as_a_page(browser: Browser, stack: Live) -> None:
    """Asked, approved, completed: it stands in the list, its page has answer and chart, and everything repeats."""
    run = stack.ask(QUESTION)
    run.approve()
    run.wait((), timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    (again,) = stack.copilot.replay(run.run_id)
    assert again["repeats"], again["message"]
    assert again["compared"]["verdicts"] >= 1
    _is_exported(stack, run)
    window = browser.new_page(viewport={"width": 1180, "height": 310})
    keep = os.environ.get(DOCUMENTED)
    with serving(stack.copilot.installation) as address:
        window.goto(address)
        expect(window.get_by_role("link", name=QUESTION).first).to_be_visible()
        if keep:
            window.screenshot(path=str(IMAGES / "run-list.png"))
        window.goto(f"{address}runs/{run.run_id}")
        expect(window.get_by_role("img", name="Chart:").first).to_be_visible()
        expect(window.get_by_text("receipts verified").first).to_be_visible()
        if keep:
            window.set_viewport_size({"width": 1180, "height": 2100})
            window.screenshot(path=str(IMAGES / "trace.png"))
            window.emulate_media(color_scheme="dark")
            window.set_viewport_size({"width": 1180, "height": 1500})
            window.evaluate("document.getElementById('timeline').scrollIntoView()")
            window.screenshot(path=str(IMAGES / "trace-dark.png"))
    window.close()


def _is_exported(stack: Live, run: RunHandle) -> None:
    """The result becomes a table of its own, with an expiration and labels; elsewhere the policy lets nobody."""
    made = run.export_table("kept_revenue", days=2)
    table = stack.table(made["table"])
    assert table["labels"]["run"] == run.run_id
    days = (int(table["expirationTime"]) - int(table["creationTime"])) / 86_400_000
    assert 1.9 < days < 2.1
    assert int(table["numRows"]) == run.show()["results"][0]["row_count"]
    with pytest.raises(Refused, match="The policy lets nobody export to"):
        run.export_table("shop.kept_revenue", days=2)
    assert (run.phase, run.receipts()["verified"]) == (Phase.COMPLETED, True)
