"""Plays the platform around the planner: offers the tools of each phase, answers them, and keeps the messages.

Decides nothing about SQL; `run` executes a statement and returns columns and rows. The tool results have the shapes
of the real ones, so what the planner learns here it would learn there.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bq_copilot.phases import TOOLS, Phase
from bq_copilot.toolbox import TOOLS as TYPES
from bq_copilot.toolbox import schemas
from deployments.local.offline_model.conversation import read_conversation
from deployments.local.offline_model.planner import Call, next_call

Json = dict[str, Any]
Rows = tuple[list[Json], list[list[Any]]]
MAX_TURNS = 40


def ok(data: Json) -> Json:
    return {"ok": True, "untrusted": True, "data": data}


def failure(code: str, message: str = "", **more: Any) -> Json:
    return {"ok": False, "error": {"code": code, "message": message, **more}}


@dataclass
class Outcome:
    """How a run ended, and everything that led there."""

    calls: list[Call]
    messages: list[Json]
    rows: list[list[Any]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    @property
    def end(self) -> Call:
        return self.calls[-1]

    def of(self, tool: str) -> list[Call]:
        return [c for c in self.calls if c.tool == tool]

    @property
    def sql(self) -> str:
        """The last proposed statement on one line."""
        plans = self.of("propose_plan")
        return " ".join(plans[-1].arguments["queries"][0]["sql"].split()) if plans else ""


@dataclass
class Platform:
    """Tables as `describe_table` gives them, and a way to run SQL."""

    tables: Sequence[Json]
    run: Callable[[str], Rows | Json]
    today: str = "2026-07-01"
    profiles: dict[tuple[str, str], Json] = field(default_factory=dict)
    profile: Callable[[str, str], Json] | None = None

    def ask(self, question: str, answers: Sequence[str] = ()) -> Outcome:
        """Run a question to its end."""
        replies, phase = list(answers), Phase.CLARIFYING
        outcome = Outcome(
            [],
            [
                {"role": "system", "content": f"Rules.\n\nToday is {self.today}."},
                {"role": "user", "content": f"<question>\n{question}\n</question>"},
            ],
        )
        for turn in range(MAX_TURNS):
            call = next_call(read_conversation(outcome.messages, schemas(TOOLS[phase])))
            assert call.tool in TOOLS[phase], f"{call.tool} is not offered in {phase}"
            TYPES[call.tool].model_validate(json.loads(json.dumps(call.arguments)))
            outcome.calls.append(call)
            if call.tool in ("give_up", "write_answer"):
                return outcome
            result = self._answer(call, replies, outcome)
            phase = _next_phase(phase, call.tool, result["ok"])
            outcome.messages += _exchange(turn, call, result)
        raise AssertionError(f"no end after {MAX_TURNS} turns: {question}")

    def _answer(self, call: Call, replies: list[str], outcome: Outcome) -> Json:
        arguments = call.arguments
        match call.tool:
            case "list_tables":
                return ok({"tables": [_listed(t) for t in self.tables], "truncated": False})
            case "describe_table":
                found = [t for t in self.tables if t["table"] == arguments["table"]]
                return ok(found[0]) if found else failure("unknown_table")
            case "profile_column":
                return self._profile(arguments["table"], arguments["column"])
            case "ask_user":
                return ok({"answer": replies.pop(0) if replies else arguments["options"][0]})
            case "propose_plan":
                return self._execute(arguments["queries"], outcome)
            case _:
                return ok({"status": "proposed"})

    def _profile(self, table: str, column: str) -> Json:
        if self.profile:
            return ok(self.profile(table, column))
        return ok({"table": table, "column": column, "top": [], **self.profiles.get((table, column), {})})

    def _execute(self, queries: Sequence[Json], outcome: Outcome) -> Json:
        pages: list[Json] = []
        for query in queries:
            result = self.run(query["sql"])
            if isinstance(result, dict):
                return {**result, "error": {**result["error"], "query": query["id"]}}
            columns, outcome.rows = result
            outcome.columns = [c["name"] for c in columns]
            page = {"query": query["id"], "job_id": "j", "columns": columns, "rows": outcome.rows[:120], "summary": {}}
            pages.append({**page, "row_count": len(outcome.rows), "truncated": len(outcome.rows) > 120})
        return ok({"results": pages})


def _listed(table: Json) -> Json:
    return {
        "table": table["table"],
        "kind": "TABLE",
        "description": table["description"],
        "rows": table["rows"],
        "columns_count": len(table["columns"]),
    }


def _next_phase(phase: Phase, tool: str, worked: bool) -> Phase:
    if tool == "propose_plan":
        return Phase.ANSWERING if worked else Phase.DRAFTING
    return Phase.INSPECTING if tool in ("list_tables", "describe_table") and phase is Phase.CLARIFYING else phase


def _exchange(turn: int, call: Call, result: Json) -> list[Json]:
    function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
    asked = {"id": f"c{turn}", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": f"c{turn}", "content": json.dumps(result)},
    ]


def canned(*rows: Sequence[Any]) -> Callable[[str], Rows]:
    """A warehouse that gives these rows under the statement's own column names."""

    def run(sql: str) -> Rows:
        names = re.findall(r"AS (\w+)(?=,|\n|\s+FROM)", sql.rsplit("SELECT", 1)[-1]) or ["figure"]
        width = len(rows[0]) if rows else 1
        names = (names + [f"c{i}" for i in range(width)])[:width]
        kinds = ["STRING" if rows and isinstance(v, str) else "INT64" for v in (rows[0] if rows else [0])]
        return [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)], [list(r) for r in rows]

    return run
