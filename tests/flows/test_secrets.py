"""A secret of a block stays where it is used."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bq_copilot.phases import Phase
from tests.live import PATIENCE, Live

PLANTED = "planted-key-4f1d77a0c2"

QUESTION = "How many customers do we have?"


def files_with(text: str, folder: Path) -> set[str]:
    """Return the names of the files with this text in them.

    Another process looks: one that closes a file of a database gives up all of its own locks on it, SQLite's too.
    """
    looked = ["grep", "-rlaF", "--exclude-dir=seed", "--", text, str(folder)]
    done = subprocess.run(looked, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return {Path(line).name for line in done.stdout.splitlines()}


def test_a_key_is_in_no_prompt_event_artifact_log_or_bundle(stack: Live) -> None:
    """The model is called with it; afterwards no file of the stack and no exported bundle has it in clear text."""
    copilot = stack.environment("planted", model_key=PLANTED)
    run = copilot.ask(QUESTION, timeout=PATIENCE)
    assert run.phase is Phase.AWAITING_APPROVAL, run.show()["error"]
    run.approve().wait(timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED
    assert files_with(PLANTED, stack.home.root) == set()
    asked = files_with(QUESTION, stack.home.root)
    assert {"ledger.db", "prefect.db"} <= {name.removesuffix("-wal") for name in asked}
    assert {"runs.log", "worker.log", "model.log"} <= {path.name for path in stack.home.root.rglob("*.log")}
    assert PLANTED not in str(run.show()) + str(run.trace())
