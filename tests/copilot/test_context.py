"""What the model is told beside the question: tables, notes, accepted queries and earlier runs, and what it is not."""

from __future__ import annotations

import json

import pytest

from bq_copilot import conversation, deciding, memory
from bq_copilot.context_events import AnswerRated
from bq_copilot.errors import Refused
from bq_copilot.events import QuestionAsked
from bq_copilot.notes import Notes, problems
from bq_copilot.notes_file import notes_from_yaml
from bq_copilot.phases import Phase
from bq_copilot.replaying import replay
from bq_copilot.testing import ScriptedModel
from tasks.run import Run
from tests.copilot.world import DESCRIBE, GIVE_UP, LIST, ORDERS, SQL, answer, plan, policy, shop
from tests.inprocess import World, play

QUESTION = "Which countries have the most orders?"
NOTES = """
name: shop
version: 3
datasets:
  p.shop:
    metrics: [{name: takings, means: sum of total, tables: [orders]}]
    warnings: [{table: orders, say: Cancelled orders are in it.}]
  p.hr:
    about: Salaries, which nobody here may see.
"""


def briefing(run: Run) -> dict:
    """Return the briefing as it was pinned."""
    assert run.state.context is not None
    return json.loads(run.env.shelf.get(run.state.context.briefing))


def rate(run: Run, verdict: str = "up") -> None:
    """A person says whether the answer is good."""
    run.journal.append(AnswerRated(verdict=verdict, by="ben", via="test"))


async def answered(world: World, question: str = QUESTION, **more) -> Run:
    """Play a usual run."""
    return await play(world, ScriptedModel(LIST, DESCRIBE, plan(), answer()), question, **more)


async def test_a_run_is_briefed_once_before_its_first_turn_and_replays_bit_for_bit() -> None:
    """The briefing is pinned in an event, and every prompt is written again the same."""
    run = await answered(shop(notes=notes_from_yaml(NOTES)))
    events = run.env.ledger.read(run.id)
    assert run.state.phase is Phase.COMPLETED
    assert [e.event.kind for e in events][2:5] == ["run_pinned", "context_pinned", "turn_requested"]
    done = replay(run.id, events, run.env.shelf)
    assert (done.difference, done.counts.prompts, done.counts.other_prompts) == (None, 4, 0)


async def test_the_briefing_names_fitting_readable_tables_and_marks_restricted_columns() -> None:
    """Tables of other datasets are not there at all."""
    run = await answered(shop())
    tables = briefing(run)["tables"]
    assert [t["table"] for t in tables] == ["p.shop.orders", "p.shop.refunds"]
    assert "email STRING restricted" in tables[0]["columns"]
    assert "salaries" not in json.dumps(briefing(run))


async def test_notes_of_allowed_datasets_only_are_shown_with_their_fingerprint() -> None:
    """What the policy does not allow is not told, whoever noted it."""
    notes = notes_from_yaml(NOTES)
    run = await answered(shop(notes=notes))
    assert list(briefing(run)["notes"]) == ["p.shop"]
    context = run.state.context
    assert context is not None
    assert (context.notes_name, context.notes_version, context.notes_fingerprint) == ("shop", 3, notes.fingerprint)


async def test_a_metric_of_the_notes_leads_to_its_table() -> None:
    """The word stands in no schema."""
    run = await play(shop(notes=notes_from_yaml(NOTES)), ScriptedModel(GIVE_UP), "takings in May")
    assert briefing(run)["tables"][0]["table"] == "p.shop.orders"


def test_notes_that_name_what_is_not_there_are_found_with_the_nearest_name() -> None:
    """A checked-in file is validated against the schemas."""
    notes = Notes.model_validate(
        {"datasets": {"p.shop": {"joins": [{"left": "order.country", "right": "orders.countri"}]}}}
    )
    found = problems(notes, shop_catalog())
    assert found == [
        "join order.country: there is no such table; did you mean orders?",
        "join orders.countri: p.shop.orders has no column countri; did you mean country?",
    ]


def shop_catalog():
    """Return the catalog of the one table."""
    from bq_copilot.catalog import Catalog

    return Catalog(tables=(ORDERS,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: [", "not YAML"),
        ("datasets: {a.b: {metrics: [{name: x}]}}", "means"),
        ("unknown: 1", "unknown"),
        ("version: 0", "version"),
    ],
)
def test_wrong_notes_are_refused_by_field(text: str, words: str) -> None:
    """The first wrong field is named."""
    with pytest.raises(Refused, match=words):
        notes_from_yaml(text)


async def test_an_approved_and_praised_query_is_an_example_with_its_provenance() -> None:
    """Before the praise it is none, after it it is, and the event says where it comes from."""
    world = shop()
    first = await answered(world, key="a")
    assert memory.recall(world.ledger, "ana", "requester") == []
    rate(first)
    second = await play(world, ScriptedModel(GIVE_UP), "Which countries have most orders now?", key="b")
    (example,) = briefing(second)["accepted_examples"]
    assert (example["sql"], example["run"], example["accepted_by"]) == (
        first.state.plan.verdicts[0].sql,
        first.id,
        "ben",
    )
    assert second.state.context.examples[0].run_id == first.id


async def test_a_later_down_takes_an_example_back() -> None:
    """The newest rating counts."""
    world = shop()
    first = await answered(world, key="a")
    rate(first)
    rate(first, "down")
    assert memory.recall(world.ledger, "ana", "everyone") == []


async def test_a_rejected_plan_is_never_an_example() -> None:
    """Without approval and execution there is no answer to praise."""

    def rejecting(run: Run, step) -> None:
        from bq_copilot.identities import How, Identity

        who = Identity("ana", How.LOCAL_USER)
        made = deciding.decision_by(who, step.plan.request.request_id, step.plan.digest, "reject", "test")
        deciding.decide(run.journal, made)

    world = shop()
    run = await play(world, ScriptedModel(LIST, DESCRIBE, plan()), QUESTION, person=rejecting)
    assert run.state.phase is Phase.REJECTED
    with pytest.raises(Refused):
        rate(run)
    assert memory.recall(world.ledger, "ana", "everyone") == []


async def test_somebody_elses_memory_is_not_shown_unless_policy_shares_it() -> None:
    """By default only one's own."""
    world = shop()
    rate(await answered(world, key="a"))
    other = await play(world, ScriptedModel(GIVE_UP), QUESTION, key="b", requester="bob")
    assert "accepted_examples" not in briefing(other)
    world.policy = policy(budgets={"memory": "everyone"})
    sharing = await play(world, ScriptedModel(GIVE_UP), QUESTION, key="c", requester="bob")
    assert len(briefing(sharing)["accepted_examples"]) == 1


async def test_a_memory_that_this_run_may_not_read_is_not_shown() -> None:
    """The reader's own gate decides: policy got narrower since."""
    world = shop()
    rate(await answered(world, key="a"))
    world.policy = policy(
        budgets={"memory": "everyone"}, rules=[{"id": "NO-1", "effect": "deny", "tables": ["*.orders"]}]
    )
    later = await play(world, ScriptedModel(GIVE_UP), QUESTION, key="b")
    assert "accepted_examples" not in briefing(later)


async def test_a_question_after_a_run_knows_its_results_and_needs_its_own_approval() -> None:
    """The earlier rows, SQL and answer are context; nothing of the approval comes along."""
    world = shop()
    first = await answered(world, key="a")
    second = await play(
        world, ScriptedModel(LIST, DESCRIBE, plan()), "And as a share?", key="b", after=first.id, person=lambda *_: None
    )
    earlier = briefing(second)["earlier"]
    assert earlier["results"][0]["rows"][0] == ["US", 120]
    assert (earlier["question"], earlier["answer"]) == (QUESTION, "US leads with 120 orders.")
    assert second.state.phase is Phase.AWAITING_APPROVAL
    assert second.state.plan.request.request_id != first.state.plan.request.request_id


async def test_a_thread_tells_the_questions_before_it() -> None:
    """Three runs in a row: the third knows the first."""
    world = shop()
    first = await answered(world, key="a")
    second = await answered(world, "And in Europe?", key="b", after=first.id)
    third = await play(world, ScriptedModel(GIVE_UP), "And now?", key="c", after=second.id)
    assert [q["question"] for q in briefing(third)["earlier"]["before_that"]] == [QUESTION]


async def test_somebody_elses_run_is_no_context() -> None:
    """Whoever names a run of another requester learns nothing of it."""
    world = shop()
    first = await answered(world, key="a")
    spy = await play(world, ScriptedModel(GIVE_UP), "And?", key="b", requester="bob", after=first.id)
    assert "earlier" not in briefing(spy)


async def test_results_that_policy_no_longer_allows_are_left_out_of_the_context() -> None:
    """The earlier question stays, its rows and answer do not."""
    world = shop()
    first = await answered(world, key="a")
    world.policy = policy(rules=[{"id": "NO-1", "effect": "deny", "tables": ["*.orders"]}])
    second = await play(world, ScriptedModel(GIVE_UP), "And?", key="b", after=first.id)
    assert briefing(second)["earlier"] == {"run": first.id, "question": QUESTION}


ASK = ("ask_user", {"question": "By revenue or by orders?", "options": ["by revenue", "by orders"], "topic": "measure"})


async def test_nothing_is_asked_twice_not_even_in_other_words_or_in_the_next_run() -> None:
    """The second question gets the first answer, and nobody is bothered."""
    world = shop()
    again = ("ask_user", {"question": "Which measure do you want?", "options": ["a"], "topic": "Measure"})
    run = await play(world, ScriptedModel(ASK, again, LIST, DESCRIBE, plan(), answer()), "best countries", key="a")
    assert (run.state.questions, run.state.turns[1].answered.code) == (1, "asked_before")
    alike = ("ask_user", {"question": "By orders or by revenue?", "options": []})
    after = await play(world, ScriptedModel(alike, GIVE_UP), "and the worst?", key="b", after=run.id)
    assert (after.state.questions, after.state.turns[0].answered.code) == (0, "asked_before")


@pytest.mark.parametrize(
    ("kind", "said", "recorded"),
    [
        ("choice", "2", "by orders"),
        ("choice", "BY REVENUE", "by revenue"),
        ("choice", "by margin", "by margin"),
        ("number", "1,200", "1,200"),
        ("date", "2026-06-30", "2026-06-30"),
        ("date", "yesterday", None),
        ("number", "many", None),
    ],
)
def test_an_answer_is_read_by_its_kind(kind: str, said: str, recorded: str | None) -> None:
    """An option by number or words, a number, a date; anything else of these kinds is refused with an example."""
    from datetime import UTC, datetime

    from bq_copilot.clarifying import read_answer

    asked = QuestionAsked(
        turn=1, question="?", options=("by revenue", "by orders"), expires_at=datetime.now(UTC), answer_kind=kind
    )
    if recorded is None:
        with pytest.raises(Refused, match="asks for"):
            read_answer(asked, said)
    else:
        assert read_answer(asked, said) == recorded


async def test_a_plan_that_did_not_pass_comes_back_as_data_with_the_nearest_names() -> None:
    """Rule, position and real names; the repair stands in the trace and on the card."""
    wrong = SQL.replace("country", "countri")
    run = await play(shop(), ScriptedModel(LIST, DESCRIBE, plan(wrong), plan(), answer()), QUESTION)
    error = json.loads(run.env.shelf.get(run.state.turns[2].answered.content))["error"]
    (finding, *_) = error["findings"]
    assert (finding["query"], finding["line"] > 0, finding["did_you_mean"]) == ("q1", True, ["country"])
    assert run.state.phase is Phase.COMPLETED
    assert run.state.plan.note.startswith("Repair of revision 1, which was denied by P")


def test_the_first_form_of_the_prompt_is_what_it_was() -> None:
    """Runs of release 0.1 replay: neither their system prompt nor their tools changed by a byte."""
    from bq_copilot.canonical import digest
    from bq_copilot.toolbox import TOOLS, schemas

    assert digest(schemas(tuple(TOOLS), 1)) == conversation.TOOLS_OF_0_1
    assert conversation.is_ours(conversation.prompt_fingerprint(1))
    assert conversation.prompt_fingerprint(1) != conversation.prompt_fingerprint(2)
