"""What `--keep FOLDER` keeps of a chaos run: every judged run as an exported file, one after the other.

Decides: that only the evidence is kept (rows, stored texts, signature), and that a run is on disk as soon as it is
judged, so that a chaos run that is stopped by hand has kept what it judged. Never judges: a run that was found wanting
is kept too, to be looked at. `python -m tests.golden.pack FOLDER` makes one file of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bq_copilot import bundle
from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.ledger_reader import parse_all


def keep(runs: Sequence[RunHandle], folder: Path) -> list[str]:
    """Write each run that the ledger knows as FOLDER/RUN.zip; return what could not be kept, with its reason."""
    folder.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    for run in runs:
        try:
            _keep(run, folder / f"{run.run_id}.zip")
        except CopilotError as error:
            failed.append(f"{run.run_id}: {error.message}")
    return failed


def _keep(run: RunHandle, path: Path) -> None:
    at = run._copilot.installation
    rows = at.reader.rows(run.run_id)
    texts = bundle.texts_of([one.event for one in parse_all(rows)], at.shelf)
    bundle.write(path, rows, texts, at.reader.signature_of(run.run_id), {})
