"""A run of the running stack in the list and as a page; the pictures in the documentation are taken here."""

from __future__ import annotations

import os

from playwright.sync_api import Browser, expect

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
