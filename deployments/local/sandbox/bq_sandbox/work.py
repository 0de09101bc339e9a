"""What a query job does: plan, check the byte cap, look for a cached result, run, report. Scripts step by step.

Decides the order in which a job may be refused: nothing is executed before the plan's bytes are known to be under
`maximumBytesBilled`. A script's statements are child jobs with ids derived from the parent's, so that a script run
again after a crash skips the statements whose effect is already there.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
from sqlglot import exp

from bq_sandbox.catalog import Catalog, now_ms
from bq_sandbox.effects import Effects, Finish, Outcome
from bq_sandbox.execution import Running
from bq_sandbox.faults import Faults
from bq_sandbox.jobs import Job, Registry
from bq_sandbox.names import table_from_reference
from bq_sandbox.parameters import bind_parameters, literal
from bq_sandbox.planning import Planner, Request, StatementPlan
from bq_sandbox.references import Binder
from bq_sandbox.refusals import Refusal, refusal_from_proto
from bq_sandbox.statements import Statement
from bq_sandbox.variables import Variables
from bq_sandbox.warehouse import Warehouse
from bq_sandbox.wire_jobs import query_statistics
from bq_sandbox.writing import Destination

_UNSTABLE = (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentDatetime, exp.CurrentTime, exp.Rand, exp.Uuid)
_BACKEND = "The job encountered an error during execution. Retrying the job may solve the problem."


def request_of(job: Job) -> Request:
    """The plan-relevant part of a job."""
    query = job.query
    return Request(
        sql=query.get("query", ""),
        user=job.user,
        parameters=tuple(query.get("queryParameters") or ()),
        default_dataset=(query.get("defaultDataset") or {}).get("datasetId"),
        location=job.location,
    )


@dataclass
class QueryWork:
    """Runs query jobs."""

    warehouse: Warehouse
    catalog: Catalog
    registry: Registry
    effects: Effects
    faults: Faults
    _cache: dict[str, str] = field(default_factory=dict[str, str])
    _cache_lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, running: Running) -> None:
        """Run the job to its end; raises what ends it badly."""
        request = request_of(running.job)
        planner = Planner(self.warehouse, self.catalog, Variables())
        statements = planner.script(request)
        if len(statements) > 1 or statements[0].kind in {"DECLARE", "SET"}:
            self._script(running, planner, request, statements)
        else:
            self._single(running, planner.plan(statements[0], request))

    def _single(self, running: Running, plan: StatementPlan) -> None:
        job = running.job
        self._check_cap(job, plan.billed)
        destination = destination_of(job)
        key = self._cache_key(job, plan) if destination is None else None
        if key and self._answer_from_cache(job, plan, key):
            return
        running.check()
        ended = self.effects.run(running.cursor, plan, job, self._finish(job, plan), destination)
        if key and not ended.errors:
            with self._cache_lock:
                self._cache[key] = job.job_id

    def _check_cap(self, job: Job, billed: int) -> None:
        cap = job.query.get("maximumBytesBilled")
        if cap is not None and billed > int(cap):
            raise Refusal(
                "bytesBilledLimitExceeded",
                f"Query exceeded limit for bytes billed: {cap}. {billed} or higher required.",
            )

    def _finish(self, job: Job, plan: StatementPlan) -> Finish:
        def finish(outcome: Outcome) -> Job:
            current = self.registry.find(job.job_id) or job
            changes: dict[str, Any] = {
                "fields": outcome.fields,
                "total_rows": outcome.rows,
                "has_result": outcome.has_result,
                "processed": plan.bytes,
                "billed": plan.billed,
                "statement_type": plan.kind,
                "statistics": {**query_statistics(plan), **outcome.query_statistics},
            }
            if self.faults.take({"fail_after_commit"}, "job", job.job_id):
                return current.failed(Refusal("backendError", _BACKEND), **changes)
            return current.finished(**changes)

        return finish

    def _cache_key(self, job: Job, plan: StatementPlan) -> str | None:
        if not plan.statement.is_query or job.query.get("useQueryCache") is False or not plan.readings:
            return None
        if plan.tree.find(*_UNSTABLE):
            return None
        versions = sorted({(str(r.entry.name), r.entry.modified_ms) for r in plan.readings})
        return hashlib.sha256(json.dumps([job.user, plan.sql, versions]).encode()).hexdigest()

    def _answer_from_cache(self, job: Job, plan: StatementPlan, key: str) -> bool:
        with self._cache_lock:
            source = self.registry.find(self._cache.get(key, ""))
        if source is None or not self.effects.results.exists(source.job_id):
            return False
        outcome = Outcome(source.fields, source.total_rows, has_result=True)
        ended = self._finish(job, plan)(outcome)
        self.registry.save(replace(ended, processed=0, billed=0, cache_hit=True, result_of=source.result_id))
        return True

    def _script(self, running: Running, planner: Planner, request: Request, statements: list[Statement]) -> None:
        job, children = running.job, 0
        last: Job | None = None
        cut = self.faults.take({"partial_script"}, "job", job.job_id)
        for index, statement in enumerate(statements):
            running.check()
            if cut is not None and children >= int(cut.settings.get("after", 1)):
                raise Refusal("backendError", _BACKEND)
            if statement.kind in {"DECLARE", "SET"}:
                self._assign(running.cursor, planner, request, statement)
                continue
            child = self._child(running, planner, request, statement, index)
            children += 1
            last = child if child.has_result else last
            self.registry.publish(replace(self.registry.get(job.job_id), children=children))
            if child.errors:
                raise refusal_from_proto(child.errors[0])
        self._end_script(job, children, last)

    def _end_script(self, job: Job, children: int, last: Job | None) -> None:
        own = [child for child in self.registry.all() if child.parent_id == job.job_id]
        totals: dict[str, Any] = {
            "processed": sum(child.processed for child in own),
            "billed": sum(child.billed for child in own),
            "children": children,
            "statement_type": "SCRIPT",
            "statistics": {"statementType": "SCRIPT"},
        }
        if last is not None:
            totals |= {
                "fields": last.fields,
                "total_rows": last.total_rows,
                "has_result": True,
                "result_of": last.result_id,
            }
        self.registry.save(self.registry.get(job.job_id).finished(**totals))

    def _child(self, running: Running, planner: Planner, request: Request, statement: Statement, index: int) -> Job:
        job = running.job
        digest = hashlib.sha256(job.job_id.encode()).hexdigest()[:32]
        child_id = f"script_job_{digest}_{index}"
        known = self.registry.find(child_id)
        if known is not None and known.done:
            return known
        query = {**job.query, "query": statement.text}
        query.pop("destinationTable", None)
        stamp = now_ms()
        child = Job(
            job_id=child_id,
            location=job.location,
            user=job.user,
            configuration={**job.configuration, "query": query},
            state="RUNNING",
            started_ms=stamp,
            parent_id=job.job_id,
        )
        self.registry.publish(child)
        try:
            plan = planner.plan(statement, request)
            spent = sum(c.billed for c in self.registry.all() if c.parent_id == job.job_id)
            self._check_cap(job, spent + plan.billed)
            return self.effects.run(running.cursor, plan, child, self._finish(child, plan))
        except Refusal as refusal:
            self._child_failed(running, child, refusal)
            raise
        except duckdb.Error:
            self._child_failed(running, child, running.stopped())
            raise

    def _child_failed(self, running: Running, child: Job, refusal: Refusal) -> None:
        if not running.stopping or running.job.cancel_requested:
            self.registry.save(child.failed(refusal))

    def _assign(
        self, cursor: duckdb.DuckDBPyConnection, planner: Planner, request: Request, statement: Statement
    ) -> None:
        tree, variables = statement.tree, planner.variables
        if isinstance(tree, exp.Declare):
            pending = variables.declare(tree)
        else:
            assert isinstance(tree, exp.Set)
            pending = variables.assignments(tree)
        for name, value in pending:
            bound = Binder(self.catalog, default_dataset=request.default_dataset).bind(
                bind_parameters(variables.substitute(value), list(request.parameters)), request.sql
            )
            query = exp.Select(expressions=[exp.alias_(bound.tree, "v")])
            variables.assign(name, self._constant(cursor, planner, query, request))

    def _constant(
        self, cursor: duckdb.DuckDBPyConnection, planner: Planner, query: exp.Select, request: Request
    ) -> exp.Expression:
        fields, row = planner.evaluate(cursor, query, request)
        field_ = fields[0]
        if field_["type"] == "RECORD" or field_["mode"] == "REPEATED":
            raise Refusal("invalidQuery", "The sandbox's script variables hold single values only")
        kind = {"type": field_["type"]}
        return literal(kind, {"value": None if row is None else str(row)})


def destination_of(job: Job) -> Destination | None:
    """The explicit destination table of a job, if it names one."""
    query = job.query
    reference = query.get("destinationTable")
    if not reference:
        return None
    details = {k: query[k] for k in ("timePartitioning", "clustering") if query.get(k)}
    return Destination(
        table_from_reference(reference),
        query.get("writeDisposition") or "WRITE_EMPTY",
        query.get("createDisposition") or "CREATE_IF_NEEDED",
        details or None,
    )
