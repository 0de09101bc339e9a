"""The phases of a run, and which of the agent's tools each one offers."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a run stands; shown beside Prefect's own states, never instead of them."""

    RECEIVED = "received"
    """The question is recorded; nothing has been looked at yet."""
    CLARIFYING = "clarifying"
    """The model reads the question and may ask the person about it."""
    AWAITING_ANSWER = "awaiting_answer"
    """A clarifying question waits for a person."""
    INSPECTING = "inspecting"
    """The model reads schemas."""
    DRAFTING = "drafting"
    """The model rewrites a plan that did not pass."""
    RULING = "ruling"
    """The gate and the dry run judge a plan."""
    AWAITING_APPROVAL = "awaiting_approval"
    """An approval request waits for a person."""
    EXECUTING = "executing"
    """Approved jobs run on the warehouse."""
    ANSWERING = "answering"
    """The results are in; the model writes the answer."""
    AWAITING_FOLLOW_UP = "awaiting_follow_up"
    """The answer is written; a proposed follow-up waits for a person."""
    CANCELLING = "cancelling"
    """A cancel was requested; live jobs are being stopped."""
    COMPENSATING = "compensating"
    """What the run made is being removed."""
    COMPLETED = "completed"
    """The answer is written."""
    PARTIAL = "partial"
    """Some queries finished, others did not; what finished is readable."""
    REFUSED = "refused"
    """Policy did not allow it, or the question cannot be answered from this data."""
    REJECTED = "rejected"
    """A person said no."""
    EXPIRED = "expired"
    """Nobody decided in time; nothing was executed."""
    CANCELLED = "cancelled"
    """A person cancelled it, and no job is alive."""
    FAILED = "failed"
    """It could not be finished; the error says why."""
    PARKED = "parked"
    """It needs an operator: resume or abandon it."""

    @property
    def is_terminal(self) -> bool:
        """True when the run will never move again by itself."""
        return self in TERMINAL


TERMINAL = frozenset(
    {
        Phase.COMPLETED,
        Phase.PARTIAL,
        Phase.REFUSED,
        Phase.REJECTED,
        Phase.EXPIRED,
        Phase.CANCELLED,
        Phase.FAILED,
        Phase.PARKED,
    }
)

WAITING = frozenset({Phase.AWAITING_ANSWER, Phase.AWAITING_APPROVAL, Phase.AWAITING_FOLLOW_UP})

_NOT_COMPLETED = {Phase.FAILED: "FAILED", Phase.PARKED: "FAILED", Phase.CANCELLED: "CANCELLED"}


def prefect_type(phase: Phase) -> str:
    """Return the type of the Prefect state that agrees with a terminal phase."""
    return _NOT_COMPLETED.get(phase, "COMPLETED")


def prefect_name(phase: Phase) -> str:
    """Return the name of that state, as Prefect's pages show it."""
    return str(phase).replace("_", " ").title()


_LOOKING = ("ask_user", "list_tables", "describe_table", "profile_column", "propose_plan", "give_up")

TOOLS: dict[Phase, tuple[str, ...]] = {
    Phase.CLARIFYING: ("ask_user", "list_tables", "describe_table", "give_up"),
    Phase.INSPECTING: _LOOKING,
    Phase.DRAFTING: _LOOKING,
    Phase.ANSWERING: ("write_answer", "schedule_follow_up", "give_up"),
}
"""The tools that the model may call in each phase; a phase that is not listed offers none."""


def tools_in(phase: Phase, *, follow_up: bool = False) -> tuple[str, ...]:
    """Return the names of the tools that the model is offered in `phase`; a follow-up proposes no other one."""
    return tuple(t for t in TOOLS.get(phase, ()) if not (follow_up and t == "schedule_follow_up"))
