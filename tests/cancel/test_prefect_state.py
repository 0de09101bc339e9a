"""What Prefect is told of an end, and what the recovery service compares it with, come from one table."""

from __future__ import annotations

import pytest

from bq_copilot.phases import Phase, prefect_type
from bq_copilot.recovering import Remedy, remedy
from bq_copilot.state import RunState
from bq_copilot.values import Failure
from flows.analysis import outcome
from tests.unit.test_recovering import seen


@pytest.mark.parametrize("phase", sorted(p for p in Phase if p.is_terminal))
def test_F11_the_flow_says_of_each_end_what_the_recovery_service_expects(phase: Phase) -> None:
    """So a run that ended well is never put right; the message is the run's own."""
    state = outcome(RunState("r-1", phase=phase, failure=Failure(code="x", message="in the run's own words")))
    assert (state.type.value, state.message) == (prefect_type(phase), "in the run's own words")
    assert remedy(seen(phase, state.type.value)) is Remedy.NONE
