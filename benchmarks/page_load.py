"""The page of a run of 5,000 events in the real browser: milliseconds until it is loaded, and until it can be searched.

The times are the browser's own, of a window that has shown nothing before; the machine is shared, so the best of
five is printed beside the median.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bq_copilot.run_page import run_page
from tests.long_run import long_run

EVENTS, TIMES = 5_000, 5
LOADED = "() => { const t = performance.getEntriesByType('navigation')[0]; return [t.domInteractive, t.loadEventEnd]; }"
SEARCHED = """() => { const started = performance.now(), box = document.getElementById('find');
box.value = 'turn_taken'; box.dispatchEvent(new Event('input')); document.body.offsetHeight;
return performance.now() - started; }"""


def main() -> None:
    """Print the figures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not installed: apt-get install chromium")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        run = long_run(Path(folder), EVENTS)
        file = Path(folder) / "trace.html"
        file.write_text(run_page(run.installation, run.run_id), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        found = [_load(browser, file) for _ in range(TIMES)]
        browser.close()
        print(f"page of {run.seq:,} events:          {file.stat().st_size / 1e6:.2f} MB")
    for name, times in zip(("readable", "loaded", "searched"), zip(*found, strict=True), strict=True):
        print(f"{name + ':':<30} {min(times):.0f} ms at best, {statistics.median(times):.0f} ms in the middle")


def _load(browser: Browser, file: Path) -> tuple[float, float, float]:
    window = browser.new_page()
    window.goto(file.as_uri(), wait_until="load")
    window.wait_for_function("() => performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    interactive, loaded = window.evaluate(LOADED)
    searched = window.evaluate(SEARCHED)
    window.close()
    return interactive, loaded, searched


if __name__ == "__main__":
    main()
