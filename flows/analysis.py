"""The analysis of one question, from the first look at schemas to the cited answer.

The loop holds no state: it asks the core for the next step, performs it, and asks again. Where it stops, for a person
or by a crash, the next process begins with the same fold of the same events.
"""

from __future__ import annotations

from typing import Any, assert_never

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field

from blocks.environment import open_environment
from bq_copilot import steps, undo_transitions
from bq_copilot.errors import Damaged, LedgerUnavailable, Refused, Superseded, Transient
from bq_copilot.ledger import HeadMoved
from bq_copilot.phases import Phase, prefect_name, prefect_type
from bq_copilot.state import RunState
from tasks import (
    answers,
    briefing,
    decisions,
    endings,
    exporting,
    follow_ups,
    jobs,
    model,
    places,
    plans,
    publishing,
    results,
    retries,
    reuse,
    schemas,
    series_runs,
    undoing,
)
from tasks.deadlines import StepTimedOut, limits_of
from tasks.durable import results_folder
from tasks.opening import open_run
from tasks.outage import is_outage
from tasks.run import Run


@flow(
    name="analyze",
    persist_result=True,
    result_storage=results_folder(),
    result_serializer="json",
    retries=0,
)
async def analyze(
    question: str = Field(description="The question, as you would ask a colleague."),
    requester: str = Field(default="", description="Who asks; empty: the user of the local stack."),
    request_key: str = Field(default="", description="The same key and question give the same run."),
    environment: str = Field(default="default", description="Name of the blocks to use."),
    warm_seconds: float = Field(
        default=0.0,
        ge=0,
        le=3_600,
        description="Seconds for which the process stays for a person; a form that is open when it ends is emptied.",
    ),
) -> State[Any]:
    """Answer a question from the warehouse, with a person's approval of the exact SQL."""
    env = await open_environment(environment)
    who = requester or env.local_user
    async with open_run(env, question, who, request_key, str(flow_run.id)) as run:
        return await carry_out(run, warm_seconds)


async def carry_out(run: Run, warm_seconds: float) -> State[Any]:
    """Take one step after the other until the run has ended; return the Prefect state that says so."""
    while not isinstance(step := steps.next_step(run.state), steps.Done):
        await advance(run, step, warm_seconds)
    series_runs.conclude(run)
    await publishing.publish_end(run)
    return outcome(run.state)


async def advance(run: Run, step: steps.Step, warm_seconds: float) -> None:
    """Perform one step; whoever else recorded something, or keeps this process from recording, is heard first."""
    try:
        if not endings.overdue(run):
            await attempt(run, step, warm_seconds)
        await places.give_back(run)
    except HeadMoved:
        return  # somebody recorded something first; the next step follows from it
    except Superseded as error:
        raise Abort(str(error)) from error
    except LedgerUnavailable:
        await endings.wait_for_ledger(run)


async def attempt(run: Run, step: steps.Step, warm_seconds: float) -> None:
    """Perform one step within its time; what goes wrong becomes a recorded wait or a recorded end."""
    limits = limits_of(step, run.rules.clocks, endings.seconds_left(run))
    try:
        retries.admit(run, step)
        await run.clock.run(step, limits, perform(run, step, warm_seconds))
        retries.note(run, step, ok=True)
        run.outages = 0
    except (HeadMoved, Superseded, LedgerUnavailable):
        raise
    except StepTimedOut as error:
        if undo_transitions.stopping(run.state) and isinstance(step, steps.UndoEffect):
            await retries.stay_unconfirmed(run, step, error)
        else:
            endings.time_out(run, step, error)
    except Transient as error:
        if error.tried:
            retries.note(run, step, ok=False)
        await retries.wait_or_give_up(run, step, error)
    except Damaged as error:
        endings.end(run, Phase.PARKED, error)
    except Refused as error:
        endings.end(run, Phase.FAILED, error)
    except Exception as error:
        if not is_outage(error) or run.outages >= endings.OUTAGES:
            endings.stumble(run, step, error)
            raise
        await endings.wait_for_server(run)


async def perform(run: Run, step: steps.Step, warm_seconds: float) -> None:  # noqa: PLR0912 - one arm a step
    """Do what the step says, and record it."""
    match step:
        case steps.Pin():
            await schemas.pin(run)
        case steps.Brief():
            await briefing.brief(run)
        case steps.TakeTurn():
            await model.take_turn(run, step)
        case steps.AnswerCall():
            answers.answer_call(run, step)
        case steps.AskQuestion():
            answers.ask_question(run, step, run.policy.approvals.expire_after_seconds)
        case steps.AwaitAnswer():
            await decisions.await_answer(run, step.asked, warm_seconds)
        case steps.PlanProfile():
            answers.plan_profile(run, step)
        case steps.ProposePlan():
            plans.propose(run, step)
        case steps.RulePlan():
            await plans.rule(run, step.plan)
        case steps.EstimatePlan():
            await plans.estimate(run, step.plan)
        case steps.RequestApproval():
            plans.request_approval(run, step.plan)
        case steps.AwaitDecision():
            await decisions.await_decision(run, step.plan, warm_seconds)
        case steps.ConsumeApproval():
            await plans.consume(run, step.plan)
        case steps.SubmitJob():
            await jobs.submit(run, step)
        case steps.PollJob():
            await jobs.poll(run, step.job)
        case steps.CancelJob():
            jobs.cancel(run, step.job)
        case steps.UndoEffect() | steps.ExportTable():
            await perform_afterwards(run, step)
        case steps.ReadResult():
            await results.read(run, step.job)
        case steps.WriteAnswer():
            answers.write_answer(run, step)
        case steps.RecordFollowUp():
            answers.record_follow_up(run, step)
        case (
            steps.RequestFollowUp()
            | steps.AwaitFollowUp()
            | steps.ScheduleSeries()
            | steps.ReusePlan()
            | steps.CheckReuse()
        ):
            await perform_of_series(run, step, warm_seconds)
        case steps.End():
            endings.finish(run, step)
        case steps.Done():
            return
        case _:
            assert_never(step)


async def perform_afterwards(run: Run, step: steps.UndoEffect | steps.ExportTable) -> None:
    """Do what a step says that removes what a run made, or copies its result."""
    match step:
        case steps.UndoEffect():
            await undoing.undo(run, step)
        case steps.ExportTable():
            await exporting.export_table(run, step)


async def perform_of_series(
    run: Run,
    step: steps.RequestFollowUp | steps.AwaitFollowUp | steps.ScheduleSeries | steps.ReusePlan | steps.CheckReuse,
    warm_seconds: float,
) -> None:
    """Do what a step of a follow-up says: in the run that proposes it, or in one of its own runs."""
    match step:
        case steps.RequestFollowUp():
            follow_ups.request(run, step)
        case steps.AwaitFollowUp():
            await follow_ups.await_decision(run, step.series, warm_seconds)
        case steps.ScheduleSeries():
            await follow_ups.schedule(run, step.series)
        case steps.ReusePlan():
            reuse.reuse_plan(run, step)
        case steps.CheckReuse():
            await reuse.check(run, step)


def outcome(state: RunState) -> State[Any]:
    """Return the Prefect state that agrees with the run's phase."""
    said = state.failure.message if state.failure else ""
    summary = {"run_id": state.run_id, "phase": str(state.phase), "message": said}
    name = prefect_name(state.phase)
    match prefect_type(state.phase):
        case "FAILED":
            return Failed(name=name, message=said)
        case "CANCELLED":
            return Cancelled(message=said)
        case _:
            return Completed(name=name, message=said, data=summary)
