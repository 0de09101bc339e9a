"""The few pages of the Prefect UI that an approver sees, by what stands on them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as NotInTime

from bq_copilot.client import RunHandle
from deployments.local.home import PROJECT_ROOT

PATIENCE = 30_000
"""Milliseconds that a page may take on a busy machine."""

PRESSES = 8
"""SQLite refuses some writes while another one is under way; the UI does not try again by itself."""

DOCUMENTED = "BQ_COPILOT_SCREENSHOTS"
"""Set by `make pictures`: the screenshots become those of the documentation."""

IMAGES = PROJECT_ROOT / "docs" / "images" if os.environ.get(DOCUMENTED) else Path(tempfile.gettempdir())
"""Where screenshots go; a test run leaves the work tree as it was."""


@dataclass(frozen=True)
class Pages:
    """One window."""

    page: Page
    url: str

    def open_run(self, run: RunHandle, tab: str = "Logs") -> None:
        """Open the page of the run's flow run."""
        started = run.state.started
        assert started is not None
        self.page.goto(f"{self.url}/v2/runs/flow-run/{started.flow_run_id}?tab={tab}", timeout=PATIENCE)
        expect(self.page.get_by_text(run.state.question).first).to_be_visible(timeout=PATIENCE)

    def open_form(self, run: RunHandle) -> Locator:
        """Choose Resume from the menu behind the three dots; the form with its card."""
        self.open_run(run)
        self.page.locator("button[aria-haspopup=menu]").last.click(timeout=PATIENCE)
        self.page.get_by_role("menuitem", name="Resume").click(timeout=PATIENCE)
        dialog = self.page.get_by_role("dialog", name="Resume Flow Run")
        expect(dialog).to_be_visible(timeout=PATIENCE)
        return dialog

    def choose(self, dialog: Locator, decision: str) -> None:
        """Select the decision; there is none by default."""
        dialog.get_by_label("Select Decision").click(timeout=PATIENCE)
        self.page.get_by_role("option", name=decision).click(timeout=PATIENCE)

    def submit(self, dialog: Locator) -> None:
        """Send the form and see it close; press again where the server answered that it was busy, as a person would."""
        for _ in range(PRESSES):
            dialog.get_by_role("button", name="Resume", exact=True).click(timeout=PATIENCE)
            try:
                dialog.wait_for(state="hidden", timeout=PATIENCE / PRESSES)
            except NotInTime:
                continue
            return
        raise AssertionError(f"the form stayed open after {PRESSES} presses")

    def open_artifact(self, run: RunHandle, name: str) -> None:
        """Open one artifact of the run from the list of its artifacts."""
        self.open_run(run, tab="Artifacts")
        self.page.get_by_text(f"{run.run_id}-{name}").first.click(timeout=PATIENCE)
        self.page.locator("main a[href*='/artifacts/artifact/']").first.click(timeout=PATIENCE)

    def open_answer(self, run: RunHandle) -> None:
        """Open the run's answer among its artifacts."""
        self.open_artifact(run, "answer")
        expect(self.page.get_by_role("heading", name=run.state.question).first).to_be_visible(timeout=PATIENCE)

    def shoot(self, path: Path, what: Locator | None = None) -> None:
        """Keep a picture for the documents."""
        path.parent.mkdir(parents=True, exist_ok=True)
        (what or self.page).screenshot(path=str(path))
