"""Debian's chromium, driven by Playwright, in front of the session's stack."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.pages import Pages
from tests.live import Live

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture
def pages(browser: Browser, stack: Live) -> Iterator[Pages]:
    """The Prefect UI in a fresh window; in the end, nothing but the stack's own server was asked for anything."""
    page = browser.new_page(viewport={"width": 1280, "height": 2400})
    asked: list[SplitResult] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    yield Pages(page, stack.record.prefect_ui_url)
    page.close()
    hosts = {url.netloc for url in asked if url.scheme not in {"blob", "data"}}
    assert hosts == {urlsplit(stack.record.prefect_ui_url).netloc}
