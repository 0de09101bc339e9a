"""How the events of the conversation with the model, and with the person beside it, change the state of a run.

Part of `transitions`, under its rules: pure, total, and an event that cannot happen here raises `IllegalTransition`.
"""

from __future__ import annotations

from dataclasses import replace

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.legality import need
from bq_copilot.phases import TOOLS, Phase
from bq_copilot.state import RunState, Turn


def turn_requested(state: RunState, rec: Recorded, e: ev.TurnRequested) -> RunState:
    last = state.turn
    need(state.phase in TOOLS, state, e.kind, "no tool is offered in this phase")
    need(last is None or last.answered is not None, state, e.kind, "the turn before is still open")
    need(e.turn == len(state.turns) + 1, state, e.kind, f"the next turn is {len(state.turns) + 1}")
    turn = Turn(e.turn, e.tools, e.prompt_digest, None, None, e.reserved_tokens, e.reserved_usd)
    return replace(state, turns=(*state.turns, turn), waiting=None)


def turn_taken(state: RunState, rec: Recorded, e: ev.TurnTaken) -> RunState:
    turn = state.turn
    asked = turn is not None and turn.number == e.turn and turn.taken is None
    need(asked, state, e.kind, "the model was not asked")
    assert turn is not None
    looks = e.call is not None and e.call.name in {"list_tables", "describe_table", "profile_column"}
    phase = Phase.INSPECTING if looks and state.phase is Phase.CLARIFYING else state.phase
    return replace(
        state,
        turns=(*state.turns[:-1], replace(turn, taken=e)),
        phase=phase,
        tokens=state.tokens + e.usage.prompt_tokens + e.usage.completion_tokens,
        usd=state.usd + e.usage.usd,
        waiting=None,
    )


_REPAIRS = frozenset(
    {"no_tool_call", "unknown_tool", "tool_not_allowed", "bad_arguments", "plan_invalid"}
    | {"dry_run_failed", "query_failed", "answer_invalid", "when_unclear"}
)


def call_answered(state: RunState, rec: Recorded, e: ev.CallAnswered) -> RunState:
    turn = state.open_turn
    need(turn is not None and turn.number == e.turn, state, e.kind, "no such call is open")
    assert turn is not None
    need(state.phase is not Phase.AWAITING_ANSWER and state.cancel is None, state, e.kind, "the call waits")
    phase = state.phase
    if e.tool == "propose_plan":
        need(not state.live_jobs, state, e.kind, "a job is still alive")
        phase = Phase.ANSWERING if e.ok else Phase.DRAFTING
        done = e.ok <= (state.plan is not None and state.plan.consumed)
        need(done, state, e.kind, "the plan was not executed")
    return replace(
        state,
        turns=(*state.turns[:-1], replace(turn, answered=e)),
        phase=phase,
        repairs=state.repairs + (e.code in _REPAIRS),
        profile=None,
    )


def question_asked(state: RunState, rec: Recorded, e: ev.QuestionAsked) -> RunState:
    turn = state.open_turn
    need(turn is not None and turn.number == e.turn, state, e.kind, "the model did not ask")
    need(state.phase in TOOLS, state, e.kind, "not in this phase")
    put = replace(state, asked=e, asked_at=rec.at, answered=None, questions=state.questions + 1)
    return replace(put, phase=Phase.AWAITING_ANSWER)


def question_answered(state: RunState, rec: Recorded, e: ev.QuestionAnswered) -> RunState:
    asked = state.asked
    open_ = state.phase is Phase.AWAITING_ANSWER and asked is not None and asked.turn == e.turn
    need(open_, state, e.kind, "no such question waits for an answer")
    assert asked is not None
    need(rec.at <= asked.expires_at, state, e.kind, f"it expired at {asked.expires_at:%Y-%m-%d %H:%M} UTC")
    looked = any(t.answered and t.answered.tool == "describe_table" and t.answered.ok for t in state.turns)
    clarified = (*state.clarified, (asked, e.answer))
    phase = Phase.INSPECTING if looked else Phase.CLARIFYING
    return replace(state, answered=e, clarified=clarified, phase=phase)


def follow_up(state: RunState, rec: Recorded, e: ev.FollowUpProposed) -> RunState:
    turn = state.open_turn
    if e.turn == 0:
        need(state.answer is not None and e.by != "model", state, e.kind, "there is no answer to follow up")
    else:
        need(turn is not None and turn.number == e.turn, state, e.kind, "the model did not propose one")
    need(not (state.received and state.received.follow_up), state, e.kind, "a follow-up begets none")
    return replace(state, follow_ups=(*state.follow_ups, e))


def answer_written(state: RunState, rec: Recorded, e: ev.AnswerWritten) -> RunState:
    turn = state.open_turn
    call = turn.taken.call if turn and turn.taken else None
    need(
        call is not None and call.name == "write_answer" and state.phase is Phase.ANSWERING,
        state,
        e.kind,
        "no answer is being written",
    )
    need(state.answer is None, state, e.kind, "there is an answer already")
    return replace(state, answer=e)
