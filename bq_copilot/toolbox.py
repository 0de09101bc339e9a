"""The agent's tools: typed arguments, their JSON schemas for the model, and the strict parse of a call.

A call that is not understood is answered with a stable code; what the model might have meant is never guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal, cast

from pydantic import Field, ValidationError

from bq_copilot.values import Chart, Query, ToolCall, Value

MAX_ARGUMENTS = 60_000
"""Characters of a call's arguments; more is refused unread."""


class Tool(Value):
    """Arguments of one tool."""

    tool: ClassVar[str]


class AskUser(Tool):
    """Ask the person one short question when two readings would give different SQL."""

    tool: ClassVar[str] = "ask_user"
    question: str = Field(min_length=1, max_length=500)
    options: tuple[str, ...] = Field(default=(), max_length=6)
    kind: Literal["choice", "text", "number", "date"] = Field(
        default="choice", description="What the answer is: one of the options, or a free text, number or date."
    )
    topic: str = Field(
        default="", max_length=80, description="What it is about in one or two words; no topic is asked about twice."
    )


class ListTables(Tool):
    """List the tables that may be read; `search` narrows them by words in names and descriptions."""

    tool: ClassVar[str] = "list_tables"
    search: str = Field(default="", max_length=200)


class DescribeTable(Tool):
    """Show the columns of one table, given as project.dataset.table."""

    tool: ClassVar[str] = "describe_table"
    table: str = Field(min_length=1, max_length=300)
    search: str = Field(default="", max_length=200, description="Words that choose columns of a very wide table.")


class ProfileColumn(Tool):
    """Count the values of one column (dotted path for nested fields). Restricted columns are refused."""

    tool: ClassVar[str] = "profile_column"
    table: str = Field(min_length=1, max_length=300)
    column: str = Field(min_length=1, max_length=300)


class ProposedQuery(Value):
    """One read-only GoogleSQL statement."""

    id: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")
    purpose: str = Field(max_length=500)
    sql: str = Field(min_length=1, max_length=20_000)


class ProposePlan(Tool):
    """Propose the queries that answer the question. They are checked, priced, and shown to a person."""

    tool: ClassVar[str] = "propose_plan"
    queries: tuple[ProposedQuery, ...] = Field(min_length=1, max_length=8)
    rationale: str = Field(default="", max_length=2_000)
    side_by_side: bool = Field(
        default=False, description="True: the queries may run at once. False: in order; a failure stops the rest."
    )


class Citation(Value):
    """Where a figure of the summary stands: its exact text, the query, the 0-based row, the column."""

    figure: str = Field(min_length=1, max_length=100)
    query: str
    row: int = Field(ge=0)
    column: str


class WriteAnswer(Tool):
    """Write the answer. Every figure in the summary must be cited with the cell that holds it."""

    tool: ClassVar[str] = "write_answer"
    summary: str = Field(min_length=1, max_length=6_000)
    chart: Chart = Chart()
    citations: tuple[Citation, ...] = Field(default=(), max_length=200)


class ScheduleFollowUp(Tool):
    """Propose to ask a question again later; a person must accept it."""

    tool: ClassVar[str] = "schedule_follow_up"
    when: str = Field(min_length=1, max_length=200)
    question: str = Field(min_length=1, max_length=2_000)


class GiveUp(Tool):
    """Say that the question cannot be answered from these tables, and why."""

    tool: ClassVar[str] = "give_up"
    reason: str = Field(min_length=1, max_length=2_000)


TOOLS: dict[str, type[Tool]] = {
    t.tool: t
    for t in (
        AskUser,
        ListTables,
        DescribeTable,
        ProfileColumn,
        ProposePlan,
        WriteAnswer,
        ScheduleFollowUp,
        GiveUp,
    )
}


@dataclass(frozen=True, slots=True)
class CallProblem:
    """Why a call was not understood."""

    code: str
    message: str


def parse(call: ToolCall | None, offered: tuple[str, ...]) -> Tool | CallProblem:
    """Return the typed call, or the reason why it is not one of the offered tools."""
    if call is None:
        return CallProblem("no_tool_call", f"Call exactly one tool. Offered now: {', '.join(offered) or 'none'}.")
    return _parse(call.name, call.arguments, offered)


@lru_cache(maxsize=128)
def _parse(name: str, arguments: str, offered: tuple[str, ...]) -> Tool | CallProblem:
    """Remembered, because every step of a turn asks for the same call again."""
    names = ", ".join(offered) or "none"
    kind = TOOLS.get(name)
    if kind is None:
        return CallProblem("unknown_tool", f"There is no tool of that name. Offered now: {names}.")
    if name not in offered:
        return CallProblem("tool_not_allowed", f"{name} is not offered in this phase. Offered: {names}.")
    if len(arguments) > MAX_ARGUMENTS:
        return CallProblem("bad_arguments", f"The arguments are longer than {MAX_ARGUMENTS} characters.")
    try:
        return kind.model_validate(json.loads(arguments))
    except ValidationError as error:
        return CallProblem("bad_arguments", _explain(error))
    except (json.JSONDecodeError, RecursionError):
        return CallProblem("bad_arguments", "The arguments are not one JSON object.")


def _explain(error: ValidationError) -> str:
    problems = (f"{'.'.join(str(p) for p in e['loc']) or 'arguments'}: {e['msg']}" for e in error.errors())
    return "; ".join(list(problems)[:5])


def queries_of(plan: ProposePlan) -> tuple[Query, ...] | CallProblem:
    """Return the plan's queries, or the reason why their ids do not work."""
    ids = [q.id for q in plan.queries]
    if len(set(ids)) != len(ids):
        return CallProblem("plan_invalid", "Two queries have the same id.")
    if any(i.startswith("profile") for i in ids):
        return CallProblem("plan_invalid", "A query id must not start with `profile`.")
    return tuple(Query(id=q.id, purpose=q.purpose, sql=q.sql) for q in plan.queries)


NEW_IN_2: dict[str, tuple[str, ...]] = {
    "ask_user": ("kind", "topic"),
    "describe_table": ("search",),
    "propose_plan": ("side_by_side",),
}
"""Arguments that the first form of the prompt did not have; its runs replay without them."""


@cache
def _schema(name: str, version: int) -> dict[str, Any]:
    kind = TOOLS[name]
    schema = _inline(kind.model_json_schema())
    for argument in NEW_IN_2.get(name, ()) if version < 2 else ():
        schema["properties"].pop(argument)
    return {
        "type": "function",
        "function": {"name": name, "description": (kind.__doc__ or "").strip(), "parameters": schema},
    }


def schemas(offered: tuple[str, ...], version: int = 2) -> list[dict[str, Any]]:
    """Return the offered tools in the form of the chat completions API, in stable order."""
    return [_schema(name, version) for name in TOOLS if name in offered]


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace `$ref` by what it names: not every compatible server resolves references."""
    defs = schema.pop("$defs", {})

    def walk(node: Any) -> Any:
        match node:
            case {"$ref": str() as name}:
                return walk(defs[name.rsplit("/", 1)[1]])
            case dict():
                return {k: walk(v) for k, v in cast("dict[str, Any]", node).items()}
            case list():
                return [walk(v) for v in cast("list[Any]", node)]
            case _:
                return node

    return walk(schema)
