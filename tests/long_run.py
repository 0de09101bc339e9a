"""A run with thousands of events, as real ones get them: turns, waits, recoveries, revisions; written in one go.

Recorded through the same fold as any other, into a ledger file whose rows are inserted together: a sync for each of ten
thousand appends would only measure the disk.
"""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass
from datetime import timedelta
from pathlib import Path

from bq_copilot import conversation
from bq_copilot import events as ev
from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.catalog import Catalog
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.installation import Installation
from bq_copilot.journal import Journal
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.phases import tools_in
from bq_copilot.policy import Policy
from bq_copilot.shelf import Shelf
from bq_copilot.testing import MemoryLedger
from bq_copilot.values import Limits, ToolCall, Usage

RUN = "r-long"


@dataclass(frozen=True)
class LongRun:
    """The run, where it lies, and its last event."""

    run_id: str
    installation: Installation
    seq: int


class _Writer:
    def __init__(self, home: Path) -> None:
        self.shelf = Shelf(FolderBlobs(home / "results"))
        self.ledger = MemoryLedger()
        self.journal = Journal(self.ledger, RUN)

    def add(self, event: ev.Event) -> None:
        """Record one event a moment later."""
        self.ledger.advance(0.75)
        self.journal.append(event)

    def begin(self) -> None:
        """The question, the first process, the pins."""
        known = {"requester": "ana", "via": "bench", "request_key": "k", "code_version": "0"}
        self.add(ev.RunReceived(question="Where did revenue fall, and why?", **known))
        self.start(1, "started")
        policy, catalog = Policy(allowed_datasets=("p.shop",)), Catalog()
        self.add(
            ev.RunPinned(
                policy=self.shelf.put(policy.text),
                policy_fingerprint=policy.fingerprint,
                catalog=self.shelf.put(catalog.model_dump_json()),
                schema_fingerprint=catalog.fingerprint,
                prompt_fingerprint=conversation.prompt_fingerprint(),
                model="m",
                warehouse="p (US)",
                sandbox=True,
                limits=Limits(turns=100_000, tokens=10**12),
            )
        )

    def start(self, attempt: int, reason: str) -> None:
        """A process takes the run."""
        known = {"flow_run_id": "f", "host": "host-1", "code_version": "0", "why": "the process before it died"}
        self.add(ev.RunStarted.model_validate({"attempt": attempt, "reason": reason, **known}))

    def turn(self, number: int) -> None:
        """One look of the model at a table, with its answer."""
        tools = tools_in(self.journal.state.phase)
        digest, size = self.prompt(tools)
        self.add(ev.TurnRequested(turn=number, prompt_digest=digest, prompt_bytes=size, tools=tools))
        call = ToolCall(id=f"c{number}", name="describe_table", arguments='{"table": "p.shop.orders"}')
        usage = Usage(prompt_tokens=900, completion_tokens=40, usd=0.0004)
        self.add(ev.TurnTaken(turn=number, model="m", call=call, usage=usage))
        content = self.shelf.put('{"ok":true,"untrusted":true,"data":{"columns":["a","b","c"]}}')
        self.add(ev.CallAnswered(turn=number, tool="describe_table", ok=True, content=content, untrusted=True))

    def prompt(self, tools: tuple[str, ...]) -> tuple[str, int]:
        """The digest that is recorded; written out for the first turns, part by part for the others."""
        if not hasattr(self, "_parts"):
            from bq_copilot.prompt_bytes import PromptBytes

            self._parts = PromptBytes(self.shelf)
        found = self._parts.of_next_turn(self.journal.state, tools)
        if len(self.journal.state.turns) < 3:
            sent = canonical_json(conversation.request(self.journal.state, self.shelf, tools))
            assert found == (digest_bytes(sent), len(sent))
        return found


def long_run(home: Path, events: int) -> LongRun:
    """Write a run of about this many events and return it."""
    home.mkdir(parents=True, exist_ok=True)
    writer = _Writer(home)
    writer.begin()
    number, attempt = 0, 1
    while writer.journal.state.seq < events - 7:
        number += 1
        writer.turn(number)
        for wait in range(3):
            until = writer.ledger.now() + timedelta(seconds=2)
            writer.add(ev.Waited(what="TakeTurn", reason="model rate limit", attempt=wait + 1, until=until))
        if number % 40 == 0:
            attempt += 1
            writer.start(attempt, "recovered")
    writer.add(ev.CancelRequested(by="ana", via="cli", reason="enough"))
    failure = {"code": "cancelled", "message": "cancelled by ana (0 bytes billed)", "next": "Ask again to start over."}
    writer.add(ev.RunEnded.model_validate({"phase": "cancelled", "failure": failure}))
    return LongRun(RUN, _kept(home, writer), writer.journal.state.seq)


def _kept(home: Path, writer: _Writer) -> Installation:
    ledger = SqlLedger(f"sqlite:///{home / 'ledger.db'}")
    rows, (head,) = writer.ledger.rows(RUN), writer.ledger.heads()
    stamp = "%Y-%m-%dT%H:%M:%S.%fZ"
    with sqlite3.connect(home / "ledger.db") as db:
        db.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?)", [astuple(r) for r in rows])
        times = (f"{head.received_at:{stamp}}", f"{head.updated_at:{stamp}}")
        values = (RUN, head.seq, head.phase, head.question, head.requester, *times, "", head.flow_run_id)
        db.execute("INSERT INTO heads VALUES (?,?,?,?,?,?,?,?,?)", values)
    ledger.close()
    return Installation(api_url="", ledger_url=ledger.url, results=str(home / "results"), found="a long run")
