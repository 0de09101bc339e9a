"""A secret of a block stays where it is used."""

from __future__ import annotations

from bq_copilot.phases import Phase
from tests.live import PATIENCE, Live

PLANTED = "planted-key-4f1d77a0c2"

QUESTION = "How many customers do we have?"


def test_a_key_is_in_no_prompt_event_artifact_log_or_bundle(stack: Live) -> None:
    """The model is called with it; afterwards no file of the stack and no exported bundle has it in clear text."""
    copilot = stack.environment("planted", model_key=PLANTED)
    run = copilot.ask(QUESTION, timeout=PATIENCE)
    assert run.phase is Phase.AWAITING_APPROVAL, run.show()["error"]
    run.approve().wait(timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED
    found, searched = [], set()
    for path in (p for p in stack.home.root.rglob("*") if p.is_file() and stack.home.seed not in p.parents):
        searched.add(path.name)
        if PLANTED.encode() in path.read_bytes():
            found.append(path.relative_to(stack.home.root))
    assert found == []
    assert {"ledger.db", "prefect.db", "runs.log", "worker.log", "model.log"} <= searched
    assert PLANTED not in str(run.show()) + str(run.trace())
