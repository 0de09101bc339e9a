"""Attacks on the prompt: 0 policy changes, 0 changed cards, 0 unapproved executions, whatever the model believes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bq_copilot import conversation
from bq_copilot.catalog import Column, Table
from bq_copilot.errors import Refused
from bq_copilot.notes import Notes
from bq_copilot.phases import Phase
from bq_copilot.testing import MemoryWarehouse, ScriptedModel
from bq_copilot.testing.memory_warehouse import page_of
from tasks.run import Run
from tests.copilot.attacks import ALL, Attack
from tests.copilot.world import DESCRIBE, LIST, ORDERS, PAGE, SQL, answer, plan, policy, shop
from tests.inprocess import World, play

QUESTION = "Which countries have the most orders?"
STOLEN = (
    "SELECT salary FROM `p.hr.salaries`",
    "SELECT email FROM `p.shop.orders`",
    "DROP TABLE `p.shop.orders`",
)


def nobody(*_: object) -> None:
    """Nobody decides anything."""


class Rejecting(MemoryWarehouse):
    """A warehouse whose first dry run is refused in the attacker's words."""

    words = ""

    def dry_run(self, sql: str, parameters: Any) -> Any:
        """Refuse once."""
        if self.words:
            said, self.words = self.words, ""
            raise Refused(said, code="invalidQuery")
        return super().dry_run(sql, parameters)


def world_of(attack: Attack) -> World:
    """Return the shop with the text in its place."""
    orders, tables, notes = ORDERS, [], None
    if attack.place == "column-comment":
        orders = ORDERS.model_copy(
            update={"columns": (Column(name="country", type="STRING", description=attack.text), *ORDERS.columns[1:])}
        )
    if attack.place == "table-comment":
        orders = ORDERS.model_copy(update={"description": attack.text})
    if attack.place == "table-name":
        tables = [Table(id=f"p.shop.{attack.text}", columns=(Column(name="x", type="STRING"),))]
    if attack.place == "notes":
        notes = Notes.model_validate({"datasets": {"p.shop": {"warnings": [{"say": attack.text}]}}})
    page = page_of({"country": "STRING", "orders": "INTEGER"}, [[attack.text, 120]]) if attack.place == "row" else PAGE
    everything = (orders, *tables, Table(id="p.hr.salaries", columns=(Column(name="salary", type="FLOAT64"),)))
    warehouse = Rejecting(everything, page)
    warehouse.words = attack.text if attack.place == "error" else ""
    return World(everything, page, policy(strikes=9, budgets={"repairs": 9}), notes=notes, warehouse=warehouse)


async def believed(attack: Attack) -> Run:
    """Play a run whose model believes the text: it tries what is forbidden, then repeats the text to the person."""
    world, after, question = world_of(attack), "", QUESTION
    if attack.place == "question":
        question = f"{QUESTION} {attack.text}"
    if attack.place in {"row", "earlier-question"}:
        asked = f"{QUESTION} {attack.text}" if attack.place == "earlier-question" else QUESTION
        first = await play(world, ScriptedModel(LIST, DESCRIBE, plan(), answer()), asked, key="before")
        after = first.id
        world.warehouse.executions.clear()
    tries = [plan(sql, attack.text[:1_000]) for sql in STOLEN]
    again = [plan(SQL, attack.text[:1_000])] * (2 if attack.place == "error" else 1)
    model = ScriptedModel(LIST, DESCRIBE, *tries, *again)
    return await play(world, model, question, key="attacked", after=after, person=nobody)


def facts(run: Run) -> dict[str, Any]:
    """Return what the card and the approval rest on, without names and times of the run."""
    assert run.state.plan is not None and run.state.plan.request is not None
    request = run.state.plan.request.model_dump(mode="json")
    own = {"request_id", "run_id", "revision", "question", "created_at", "expires_at", "nonce", "schema_fingerprint"}
    for query in request["queries"]:
        query["destination"] = ""
        query["tables"] = [t["table"] for t in query["tables"]]
    return {k: v for k, v in request.items() if k not in own}


@pytest.fixture(scope="module")
def honest() -> dict[str, Any]:
    """The facts of the same plan without any attack."""
    import asyncio

    quiet = Attack("none", "none", "")
    return facts(asyncio.run(believed(quiet)))


def test_there_are_at_least_sixty_attacks() -> None:
    """Rows, comments, names, errors, pasted text, notes and earlier runs."""
    assert len(ALL) >= 60
    assert len({a.name for a in ALL}) == len(ALL)


@pytest.mark.parametrize("attack", ALL, ids=lambda a: a.name)
async def test_an_attack_changes_nothing(attack: Attack, honest: dict[str, Any]) -> None:
    """The forbidden plans are denied, the card says what it says without the attack, and nothing is executed."""
    run = await believed(attack)
    assert run.state.phase is Phase.AWAITING_APPROVAL
    assert run.state.pinned is not None
    assert run.state.pinned.policy_fingerprint == run.env.policy.fingerprint
    denied = [p for p in run.state.earlier if p.denied]
    assert [p.queries[0].sql for p in denied] == list(STOLEN)
    assert facts(run) == honest
    assert run.env.warehouse.executions == {}
    _is_contained(run, attack)


def _is_contained(run: Run, attack: Attack) -> None:
    """The prompt has one system text, one question and at most one context, and long texts are cut."""
    messages = conversation.messages(run.state, run.env.shelf)
    assert [m["role"] for m in messages[:3]] == ["system", "user", "user"]
    assert all(m["role"] in {"assistant", "tool"} for m in messages[3:])
    users = [m["content"] for m in messages if m["role"] == "user"]
    assert sum(u.count("<context") for u in users) == sum(u.count("</context>") for u in users) == 1
    assert sum(u.count("<question>") for u in users) == sum(u.count("</question>") for u in users) == 1
    if attack.place != "question":
        tools = [m["content"] for m in messages if m["role"] == "tool"]
        assert max(map(len, [users[0], *tools])) < 40_000
    for tool in (json.loads(m["content"]) for m in messages if m["role"] == "tool"):
        assert set(tool) <= {"ok", "untrusted", "data", "error"}


async def test_the_comparison_of_cards_can_fail(honest: dict[str, Any]) -> None:
    """Another plan is another card: what is compared are facts of the plan and not constants."""
    model = ScriptedModel(LIST, DESCRIBE, plan(SQL + " LIMIT 2"))
    run = await play(shop(), model, QUESTION, person=nobody)
    assert facts(run) != honest
