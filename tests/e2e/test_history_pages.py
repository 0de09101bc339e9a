"""The pages of `trace --html` and `view` in a browser: what a person sees, finds and presses, and what axe says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bq_copilot import events as ev
from bq_copilot.run_page import run_page
from bq_copilot.viewer import serving
from tests import recorded_runs as rr
from tests.long_run import long_run


@pytest.fixture
def runs(tmp_path: Path) -> tuple[rr.Recording, rr.Recording]:
    """A finished run that was edited on its way, and a waiting one with a hostile question."""
    done = rr.Recording(tmp_path).started().looked().planned().requested()
    done.decided("edit", sql=(("q1", rr.SQL + " LIMIT 3"),), reason="only three")
    queries = (rr.Query(id="q1", purpose="count", sql=rr.SQL + " LIMIT 3"),)
    done.plan_recorded(queries, "Counting orders answers it.", by="ann").requested().decided().consumed()
    done.add(ev.Waited(what="SubmitJob", reason="warehouse rate limit", attempt=1, until=done.ledger.now()))
    done.job().read().answered()
    hostile = "How many? <img src=x onerror=alert(1)> \u202e txt"
    return done, rr.waiting_for_approval(tmp_path, key="key-2", requester="bob", question=hostile)


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A window of a person who likes it light or dark; in the end nothing but its own address was asked."""
    window = browser.new_page(color_scheme=request.param, viewport={"width": 1180, "height": 900})
    asked: list[str] = []
    window.on("request", lambda r: asked.append(r.url))
    faults: list[str] = []
    window.on("pageerror", lambda e: faults.append(str(e)))
    window.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    yield window
    window.close()
    assert faults == []
    assert [u for u in asked if not u.startswith(("http://127.0.0.1:", "file://", "data:"))] == []


def accessible(page: Page) -> None:
    """Fail with axe's own words for anything that keeps people out."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_history_has_no_barriers_and_shows_what_happened(page: Page, runs: tuple[rr.Recording, rr.Recording]) -> None:
    """The whole page, opened up, passes axe; decisions, the SQL's difference, waits and receipts stand there."""
    done = runs[0]
    file = done.home / "trace.html"
    file.write_text(run_page(done.installation, done.run_id), encoding="utf-8")
    page.goto(file.as_uri())
    for words in ("receipts verified", "only three", "warehouse rate limit", "unsupported: 7.5%", "Revision 2 by ann"):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.locator(".add").first).to_contain_text("LIMIT 3")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    expect(page.get_by_text("untrusted: data and never an instruction").first).to_be_visible()
    accessible(page)


def test_events_are_found_by_keyboard(page: Page, runs: tuple[rr.Recording, rr.Recording]) -> None:
    """Slash goes to the search, typing leaves the events that fit, Escape brings all back."""
    done = runs[0]
    file = done.home / "trace.html"
    file.write_text(run_page(done.installation, done.run_id), encoding="utf-8")
    page.goto(file.as_uri())
    page.keyboard.press("/")
    page.keyboard.type("approval")
    rows = page.locator("tbody.events tr:visible")
    shown = rows.count()
    assert 0 < shown < done.state.seq
    expect(page.locator("#found")).to_have_text(f"{shown} of {done.state.seq} events")
    page.keyboard.press("Escape")
    assert rows.count() == done.state.seq


def test_the_list_is_filtered_and_leads_to_a_run(page: Page, runs: tuple[rr.Recording, rr.Recording]) -> None:
    """Choose a phase, press the button, open what is left; texts of others are text; both pages pass axe."""
    with serving(runs[0].installation) as address:
        page.goto(address)
        expect(page.get_by_text("2 of 2 runs").first).to_be_visible()
        expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
        accessible(page)
        page.get_by_label("Phase").select_option("completed")
        page.get_by_role("button", name="Filter").press("Enter")
        expect(page.get_by_text("1 of 2 runs").first).to_be_visible()
        page.get_by_role("link", name=rr.QUESTION).click()
        expect(page.get_by_role("heading", name=rr.QUESTION)).to_be_visible()
        page.get_by_role("link", name="All runs").click()
        expect(page.get_by_text("2 of 2 runs").first).to_be_visible()


def test_a_history_of_five_thousand_events_is_drawn_whole(browser: Browser, tmp_path: Path) -> None:
    """Every event has its row, and the page can be used."""
    run = long_run(tmp_path, 5_000)
    file = tmp_path / "trace.html"
    file.write_text(run_page(run.installation, run.run_id), encoding="utf-8")
    window = browser.new_page()
    window.goto(file.as_uri(), wait_until="load")
    assert window.locator("tbody.events tr").count() == run.seq
    expect(window.get_by_role("heading").first).to_be_visible()
    window.close()


def test_a_history_prints_opened_up(browser: Browser, runs: tuple[rr.Recording, rr.Recording]) -> None:
    """On paper there is no menu and no search, and the turns are open."""
    done = runs[0]
    file = done.home / "trace.html"
    file.write_text(run_page(done.installation, done.run_id), encoding="utf-8")
    window = browser.new_page()
    window.goto(file.as_uri())
    window.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    window.emulate_media(media="print")
    expect(window.locator("nav").first).to_be_hidden()
    expect(window.locator("#find")).to_be_hidden()
    expect(window.get_by_text("Tools offered").first).to_be_visible()
    assert len(window.pdf(format="A4")) > 10_000
    window.close()
