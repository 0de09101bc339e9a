"""Runs recorded for tests: real events, appended through the journal to a real ledger, with texts on a real shelf.

A `Recording` tells the story of one run step by step; `finished`, `waiting_for_approval` and the like tell the usual
ones. Nothing here needs Prefect, a warehouse or a model.
"""

from __future__ import annotations

import atexit
import json
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from bq_copilot import conversation, deciding, identity, requests
from bq_copilot import events as ev
from bq_copilot.approval import Decision, digest_of
from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.gate.verdict import Facts, Finding, Ruling, Verdict
from bq_copilot.installation import Installation
from bq_copilot.journal import Journal
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.phases import tools_in
from bq_copilot.policy import Policy
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.steps import End, next_step
from bq_copilot.values import (
    Cell,
    Chart,
    Estimate,
    Failure,
    Limits,
    Query,
    ResultColumn,
    ToolCall,
    Usage,
)

QUESTION = "Which countries have the most orders?"
SQL = "SELECT country, COUNT(*) AS orders FROM `p.shop.orders` GROUP BY country ORDER BY orders DESC"
ROWS = (("US", 120_400), ("DE", 61_250), ("GB", 40_001))
COLUMNS = (ResultColumn(name="country", type="STRING"), ResultColumn(name="orders", type="INT64"))
CATALOG = Catalog(
    tables=(
        Table(
            id="p.shop.orders",
            kind="table",
            columns=(Column(name="country", type="STRING"), Column(name="order_id", type="INT64")),
        ),
    )
)


class Recording:
    """One run being recorded into the ledger of `home`."""

    def __init__(
        self,
        home: Path,
        *,
        question: str = QUESTION,
        requester: str = "ann",
        key: str = "key-1",
        policy: Policy | None = None,
        api_url: str = "",
        received: bool = False,
    ) -> None:
        """Record the question, or with `received` take over a run whose question is recorded already."""
        self.home = home
        self.policy = policy or Policy(allowed_datasets=("p.shop",))
        self.ledger = SqlLedger(f"sqlite:///{home / 'ledger.db'}")
        self.shelf = Shelf(FolderBlobs(home / "results"))
        self.run_id = identity.run_id(requester, key)
        self.journal = Journal(self.ledger, self.run_id)
        self.installation = Installation(
            api_url=api_url, ledger_url=self.ledger.url, results=str(home / "results"), found="a test"
        )
        if received:
            self.journal.refresh()
            return
        self.add(
            ev.RunReceived(question=question, requester=requester, via="cli", request_key=key, code_version="0.1.0")
        )

    @property
    def state(self) -> RunState:
        """What has been recorded so far."""
        return self.journal.state

    def add(self, event: ev.Event) -> Recording:
        """Record one event at the head."""
        self.journal.refresh()
        self.journal.append(event)
        return self

    def started(self, flow_run_id: str = "11111111-1111-4111-8111-111111111111") -> Recording:
        """A process takes the run and pins what it is judged by."""
        self.add(
            ev.RunStarted(attempt=1, flow_run_id=flow_run_id, host="host-1", reason="started", code_version="0.1.0")
        )
        return self.add(
            ev.RunPinned(
                policy=self.shelf.put(self.policy.text),
                policy_fingerprint=self.policy.fingerprint,
                catalog=self.shelf.put(CATALOG.model_dump_json()),
                schema_fingerprint=CATALOG.fingerprint,
                prompt_fingerprint=conversation.prompt_fingerprint(),
                model="offline-planner-1",
                warehouse="bq-copilot-sandbox (US)",
                sandbox=True,
                limits=Limits(),
            )
        )

    def turn(self, tool: str, **arguments: Any) -> Recording:
        """The model is asked and calls a tool."""
        number = len(self.state.turns) + 1
        tools = tools_in(self.state.phase)
        sent = canonical_json(conversation.request(self.state, self.shelf, tools))
        self.add(ev.TurnRequested(turn=number, prompt_digest=digest_bytes(sent), prompt_bytes=len(sent), tools=tools))
        call = ToolCall(id=f"call-{number}", name=tool, arguments=json.dumps(arguments))
        usage = Usage(prompt_tokens=700, completion_tokens=50, usd=0.001)
        return self.add(ev.TurnTaken(turn=number, model="offline-planner-1", call=call, usage=usage))

    def call_answered(self, *, ok: bool = True, text: str = '{"ok":true,"untrusted":false,"data":{}}') -> Recording:
        """The model's call gets its answer."""
        turn = self.state.open_turn
        assert turn is not None and turn.taken is not None and turn.taken.call is not None
        content = self.shelf.put(text)
        return self.add(
            ev.CallAnswered(turn=turn.number, tool=turn.taken.call.name, ok=ok, content=content, untrusted=True)
        )

    def looked(self) -> Recording:
        """The model reads a schema; its text is big enough for the shelf."""
        self.turn("describe_table", table="p.shop.orders")
        return self.call_answered(text=json.dumps({"ok": True, "untrusted": True, "data": {"x": "y" * 3_000}}))

    def asked(self, question: str = "By order date?", options: Sequence[str] = ("yes", "no")) -> Recording:
        """The model asks a clarifying question, which is put to a person."""
        self.turn("ask_user", question=question, options=list(options))
        expires = self.ledger.now() + timedelta(hours=1)
        number = len(self.state.turns)
        return self.add(ev.QuestionAsked(turn=number, question=question, options=tuple(options), expires_at=expires))

    def planned(self, *sql: str, rationale: str = "Counting orders answers it.") -> Recording:
        """The model proposes a plan; the gate allows it; the dry run prices it."""
        texts = sql or (SQL,)
        queries = [{"id": f"q{i}", "purpose": "count", "sql": s} for i, s in enumerate(texts, start=1)]
        self.turn("propose_plan", queries=queries, rationale=rationale)
        return self.plan_recorded(tuple(Query(**q) for q in queries), rationale)

    def plan_recorded(self, queries: tuple[Query, ...], rationale: str, by: str = "model") -> Recording:
        """A plan revision passes the gate and the dry run."""
        revision = self.state.plan.revision + 1 if self.state.plan else 1
        self.add(ev.PlanProposed(revision=revision, queries=queries, rationale=rationale, by=by))
        self.add(ev.PlanRuled(revision=revision, verdicts=tuple(self.verdict(q.sql) for q in queries)))
        return self.add(ev.PlanEstimated(revision=revision, estimates=tuple(_estimate(q.id) for q in queries)))

    def verdict(self, sql: str, *findings: Finding) -> Verdict:
        """Return the gate's verdict on a statement."""
        return Verdict(
            ruling=Ruling.ASK if findings else Ruling.ALLOW,
            policy_fingerprint=self.policy.fingerprint,
            gate_fingerprint="sha256:gate",
            schema_fingerprint=CATALOG.fingerprint,
            engines=("sqlglot",),
            sql=sql,
            digest="sha256:" + identity.short_hash(sql, length=32),
            facts=Facts(tables=("p.shop.orders",), columns=("p.shop.orders.country",)),
            findings=findings,
        )

    def requested(self) -> Recording:
        """A person is asked to approve the plan."""
        plan = self.state.plan
        assert plan is not None
        request = requests.build(self.state, plan, CATALOG, self.policy, self.ledger.now())
        return self.add(ev.ApprovalRequested(request=request, digest=digest_of(request)))

    def decided(self, verdict: str = "approve", by: str = "ann", **more: Any) -> Recording:
        """A person decides about the open request."""
        plan = self.state.plan
        assert plan is not None and plan.request is not None
        fields = {"request_id": plan.request.request_id, "digest": plan.digest, "verdict": verdict, "by": by}
        deciding.decide(
            self.journal, Decision.model_validate({**fields, "via": "cli", "identity": "local-user", **more})
        )
        return self

    def consumed(self) -> Recording:
        """The approval is checked and used."""
        plan = self.state.plan
        assert plan is not None and plan.request is not None
        return self.add(ev.ApprovalConsumed(request_id=plan.request.request_id, digest=plan.digest))

    def job(self, query: str = "q1", *, fails: str = "", done: bool = True, sent: bool = True) -> Recording:
        """One job runs to its end, or is on the warehouse; one that is not `sent` was refused on the way there."""
        job_id = identity.job_id(self.run_id, query, 1, 1)
        place = {"query": query, "job_id": job_id, "attempt": 1}
        self.add(
            ev.JobIntended(
                **place,
                project="bq-copilot-sandbox",
                location="US",
                fingerprint="sha256:job",
                destination=f"bq-copilot-sandbox.copilot_scratch.{query}",
                maximum_bytes_billed=20 * 2**20,
            )
        )
        if sent:
            self.add(ev.JobSubmitted(**place, state="RUNNING"))
        if not done:
            return self
        failure = Failure(code="invalid", message=fails) if fails else None
        return self.add(
            ev.JobFinished(
                **place,
                ok=not fails,
                bytes_processed=12_000_000,
                bytes_billed=20 * 2**20,
                milliseconds=840,
                failure=failure,
            )
        )

    def read(
        self,
        rows: Sequence[Sequence[Any]] = ROWS,
        columns: tuple[ResultColumn, ...] = COLUMNS,
        *,
        query: str = "q1",
        row_count: int | None = None,
    ) -> Recording:
        """The first page of a result is stored."""
        page = self.shelf.put(json.dumps({"rows": rows, "summary": {}}))
        return self.add(
            ev.ResultRead(
                query=query,
                job_id=self.state.jobs[query].intent.job_id,
                columns=columns,
                page=page,
                row_count=len(rows) if row_count is None else row_count,
                rows_kept=len(rows),
                destination=f"bq-copilot-sandbox.copilot_scratch.{query}",
            )
        )

    def answered(
        self,
        summary: str = "US leads with 120,400 orders. Growth was 7.5%.",
        *,
        chart: Chart | None = None,
        unsupported: tuple[str, ...] = ("7.5%",),
    ) -> Recording:
        """The model gets the results and writes the answer; the run is completed."""
        self.call_answered()
        cell = Cell(figure="120,400", query="q1", row=0, column="orders", value="120400", supported=True)
        drawn = chart or Chart(kind="bar", query="q1", x="country", y=("orders",), title="Orders by country")
        cited = cell.model_dump(include={"figure", "query", "row", "column"})
        self.turn("write_answer", summary=summary, chart=drawn.model_dump(mode="json"), citations=[cited])
        self.add(
            ev.AnswerWritten(
                summary=summary,
                chart=drawn,
                citations=(cell,),
                unsupported=unsupported,
                model="offline-planner-1",
            )
        )
        return self.ended("completed")

    def ended(self, phase: str, failure: Failure | None = None) -> Recording:
        """The run reaches a terminal phase."""
        return self.add(ev.RunEnded(phase=phase, failure=failure))


def _estimate(query: str) -> Estimate:
    return Estimate(
        query=query,
        statement_type="SELECT",
        bytes=12_000_000,
        accuracy="PRECISE",
        tables=("p.shop.orders",),
        columns=COLUMNS,
        usd=0.000068,
    )


Story = Callable[..., Recording]
TOLD: dict[str, tuple[float, Path]] = {}
"""When a story was told, and the folder that keeps its ledger and its shelf."""
FRESH_SECONDS = 60.0
"""A recording's times are real; none is used that is older."""


def told_once(story: Story) -> Story:
    """Copy what the same story wrote a moment ago: to write it anew, with full sync, is what tests would wait for."""

    @wraps(story)
    def tell(home: Path, **more: Any) -> Recording:
        if (home / "ledger.db").exists():
            return story(home, **more)
        name = f"{story.__name__} {more}"
        told, kept = TOLD.get(name, (0.0, home))
        if time.monotonic() - told > FRESH_SECONDS:
            kept = Path(mkdtemp(prefix="bqc-told-"))
            atexit.register(shutil.rmtree, kept, ignore_errors=True)
            story(kept, **more).ledger.close()
            TOLD[name] = time.monotonic(), kept
        shutil.copytree(kept, home, dirs_exist_ok=True)
        return Recording(home, received=True, **more)

    return tell


@told_once
def waiting_for_approval(home: Path, **more: Any) -> Recording:
    """A run whose plan waits for a person."""
    return Recording(home, **more).started().looked().planned().requested()


def waiting_for_answer(home: Path, **more: Any) -> Recording:
    """A run whose clarifying question waits for a person."""
    return Recording(home, **more).started().asked()


@told_once
def approved(home: Path, **more: Any) -> Recording:
    """A run whose plan was approved and checked, with no job yet."""
    return waiting_for_approval(home, **more).decided().consumed()


def executing(home: Path, **more: Any) -> Recording:
    """A run whose job is on the warehouse."""
    return approved(home, **more).job(done=False)


def partial(home: Path, **more: Any) -> Recording:
    """A run whose first query has a result and whose second one failed."""
    run = Recording(home, **more).started().looked().planned(SQL, SQL).requested().decided().consumed()
    run.job("q1").read(query="q1").job("q2", fails="Division by zero")
    step = next_step(run.state)
    assert isinstance(step, End)
    return run.ended(step.phase, step.failure)


@told_once
def finished(home: Path, **more: Any) -> Recording:
    """A completed run with one job, one result and a cited answer."""
    return approved(home, **more).job().read().answered()
