"""Somebody who types the documents' commands on the running stack, each in the state that it is for.

Decides: which run, series, file or code stands for a placeholder, and brings it about before the command that needs
it. Never does: leave out a word of a command. Why this shape: runs are asked ahead, all at once, and go from
command to command (a fork is approved later, an edited plan delegated, then parked), because each costs a second.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bq_copilot import key_files
from bq_copilot.client import RunHandle
from bq_copilot.events import RunEnded
from bq_copilot.journal import Journal
from bq_copilot.local_user import local_user
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.values import Failure
from deployments.local.home import PROJECT_ROOT
from tests.documents import Command
from tests.live import RECOVERY, Live, asks_about

QUESTION = "What was our total revenue in 2025?"
AHEAD = 4
"""Runs that are asked before the first command: to be cancelled, rejected, edited, and to fail."""

SQL = "SELECT COUNT(*) AS orders FROM `bq-copilot-sandbox.shop.orders`"
WEEKLY = "every Monday"
MODEL = "offline-planner-1"


@dataclass
class Operator:
    """What has been done so far, and where."""

    stack: Live
    folder: Path
    ready: list[RunHandle] = field(default_factory=list[RunHandle])
    """Asked, and not yet used by a command."""
    said: dict[str, str] = field(default_factory=dict[str, str])
    """What the last command of a verb printed."""
    known: dict[str, RunHandle] = field(default_factory=dict[str, RunHandle])
    """Runs by what they are for."""
    series: list[str] = field(default_factory=list[str])
    mine: list[RunHandle] = field(default_factory=list[RunHandle])

    # -- runs --------------------------------------------------------------------------------------------

    def ask(self, question: str = QUESTION, environment: str = "default") -> RunHandle:
        """Start a run and do not wait for it."""
        run = self.stack.copilot_of(environment).record(question)
        run.start()
        self.mine.append(run)
        return run

    def adopt(self, run_id: str) -> RunHandle:
        """Take over a run that a command has started."""
        run = self.stack.copilot.run(run_id)
        self.mine.append(run)
        return run

    def waiting(self) -> RunHandle:
        """A run that waits for its approval."""
        run = self.ready.pop(0) if self.ready else self.ask()
        return run.wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY)

    def once(self, name: str, make: Callable[[], RunHandle]) -> RunHandle:
        """The run of this name; made when it is needed first."""
        if name not in self.known:
            self.known[name] = make()
        return self.known[name]

    def completed(self) -> RunHandle:
        """A run with an answer."""
        return self.once("completed", lambda: self.finish(self.waiting()))

    def finish(self, run: RunHandle) -> RunHandle:
        """Approve, and wait for the end."""
        run.approve().wait((), timeout=RECOVERY)
        assert run.phase is Phase.COMPLETED, run.show()["error"]
        return run

    def edited(self) -> RunHandle:
        """A run whose other SQL waits."""
        run = self.once("edited", self.waiting)
        if run.state.plan is not None and run.state.plan.revision == 1:
            run = run if self.said.get("edit") else run.edit({"q1": SQL})
        return run.wait(asks_about(2), timeout=RECOVERY)

    def asked_back(self) -> RunHandle:
        """A run with an open question."""
        run = self.once("asked back", lambda: self.ask("What are our best products?"))
        return run.wait({Phase.AWAITING_ANSWER}, timeout=RECOVERY)

    def parked(self) -> RunHandle:
        """A run that needs an operator: it is parked here by hand, as an executor does after repeated deaths."""
        run = self.once("parked", lambda: self.known.get("edited") or self.waiting())
        if run.phase is not Phase.PARKED:
            run.wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY)
            failure = Failure(code="poisoned", message="parked by hand", next="`resume` or `abandon` it.")
            Journal.open(self.stack.copilot.installation.ledger, run.run_id).append(
                RunEnded(phase=Phase.PARKED, failure=failure)
            )
        return run

    def failed(self) -> RunHandle:
        """A run whose only query ran into a quota that is there again."""
        run = self.waiting()
        match = {"method": "jobs.insert", "job_id_prefix": f"bqc-{run.run_id}-q1"}
        self.stack.arm_warehouse("quota_exceeded", times=1, match=match)
        run.approve().wait((), timeout=RECOVERY)
        assert run.phase is Phase.FAILED, run.phase
        return run

    def scheduled(self) -> RunHandle:
        """A finished run with something to undo."""
        run = self.once("to undo", lambda: self.finish(self.waiting()))
        self.stack.copilot.followups.accept(self.proposed(run))
        return run

    def with_code(self) -> RunHandle:
        """A run under the policy that docs/approvals.md shows, with the keys of its people."""
        return self.once("with code", self._ask_with_code).wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY)

    def _ask_with_code(self) -> RunHandle:
        text = (PROJECT_ROOT / "docs" / "approvals.md").read_text("utf-8")
        shown = next(b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "people:" in b)
        made = re.search(r"ed25519:[^'\"]+", self.said["keys create"])
        assert made is not None, self.said["keys create"]
        policy = yaml.safe_load(shown.replace("ed25519:…", made.group(0)))
        self.stack.environment("documents", policy=policy)
        return self.ask(environment="documents")

    # -- series ------------------------------------------------------------------------------------------

    def proposed(self, run: RunHandle | None = None) -> str:
        """A follow-up that waits to be accepted."""
        parent = run or self.completed()
        self.settle(parent)
        found = self.stack.copilot.followups.add(parent.run_id, WEEKLY)
        self.series.append(found)
        return found

    def settle(self, run: RunHandle) -> None:
        """Decline what still waits: a run has one open proposal at a time."""
        for one in run.state.series:
            if one.decided is None:
                self.stack.copilot.followups.decline(one.id)

    def accepted(self) -> str:
        """A follow-up that is scheduled and not stopped."""
        followups = self.stack.copilot.followups
        for one in self.series:
            if followups.show(one)["follow_up"]["stands"] == "scheduled":
                return one
        new = self.proposed()
        followups.accept(new)
        return new

    def with_key(self) -> str:
        """A proposed follow-up, and a key of whoever signs a grant for it."""
        key_files.create(self.stack.home.root, local_user())
        return self.proposed()

    # -- placeholders ------------------------------------------------------------------------------------

    def bound(self, command: Command) -> list[str]:
        """The command's words, with real things in the places of the placeholders."""
        words, verb = list(command.words), verb_of(command)
        run, series, more = self._run_of(verb, words), "", self._values(words)
        if "SERIES" in words:
            series = {"accept": self.proposed, "decline": self.proposed, "sign": self.with_key}.get(
                words[2], self.accepted
            )()
        if words[1:3] == ["followups", "add"] and run:
            self.settle(run)
        if words[1:3] == ["followups", "accept"] and "RUN" in words:
            self.proposed()
        if "FILE.zip" in words and verb == "verify" and not Path("run.zip").exists():
            self.completed().export(Path("run.zip"))
        if "--digest" in words and run and run.state.plan:
            more[words[words.index("--digest") + 1]] = run.state.plan.digest.removeprefix("sha256:")[:12]
        more |= {"SERIES": series, "RUN": run.run_id if run else ""}
        return [self._word(word, more) for word in words]

    def _word(self, word: str, values: dict[str, str]) -> str:
        if word in values:
            return values[word] or word
        return re.sub(r"^r-[a-z0-9]{4,}", values["RUN"], word) if values["RUN"] else word

    def _run_of(self, verb: str, words: list[str]) -> RunHandle | None:
        if not any(w in {"RUN", "RUN_A"} or re.match(r"r-[a-z0-9]{4}", w) for w in words):
            return None
        if verb == "sign" or "--code" in words:
            return self.with_code()
        makes: dict[str, Callable[[], RunHandle]] = {
            "approve": self.waiting,
            "reject": self.waiting,
            "cancel": self.waiting,
            "edit": lambda: self.once("edited", self.waiting),
            "delegate": self.edited,
            "answer": self.asked_back,
            "resume": self.parked,
            "abandon": self.parked,
            "retry": self.failed,
            "undo": self.scheduled,
        }
        return makes.get(verb, self.completed)()

    def _values(self, words: list[str]) -> dict[str, str]:
        code = next((w for w in words if w.startswith("bqc1.")), "-")
        values = {
            "QUESTION": QUESTION,
            "ANSWER": "by revenue",
            "NAME": "cora",
            "SEQ": "9",
            "AGE": "400d",
            "FILE": "better.sql",
            "FILE.yaml": "set.yaml",
            "FILE.zip": "run.zip",
            "FILE.csv": "answer.csv",
            "FILE.parquet": "answer.parquet",
            "FOLDER": "spider2",
            "OUT_DIR": "tables",
            "TABLE": f"documents_{secrets.token_hex(4)}",
            "gpt-4.1": MODEL,
            "https://models.example/v1": self.stack.record.model_url,
            code: self.said.get("sign", "\n").splitlines()[-1],
        }
        if "RUN_A" in words:
            one = self.completed().run_id
            values |= {"RUN_A": one, "RUN_B": next(r.run_id for r in reversed(self.mine) if r.run_id != one)}
        return {k: v for k, v in values.items() if v}

    # -- before and after --------------------------------------------------------------------------------

    def heard(self, command: Command, out: str) -> None:
        """Remember what a command printed, and the run that it started."""
        verb = verb_of(command)
        self.said[verb] = out
        if verb == "ask" and "--detach" in command.words:
            self.ready.insert(0, self.adopt(json.loads(out)["run_id"]))
        if verb == "fork":
            self.ready.insert(0, self.adopt(out.split(maxsplit=1)[0]))

    def lay_out(self) -> None:
        """Write the files that the documents name, and ask ahead."""
        self.forget_keys()
        self.ready += [self.ask() for _ in range(AHEAD)]
        self.once("asked back", lambda: self.ask("What are our best products?"))
        lines = [{"id": "a", "sql": "SELECT COUNT(*) AS n FROM acme.shop.orders"}]
        question: dict[str, Any] = {"id": "orders", "question": QUESTION, "expected": {"sql": _REVENUE}}
        spider = {"instance_id": "bq001", "db": "d", "question": "How many?", "gold_tables": ["p.d.t"]}
        files = {
            "schema.json": (PROJECT_ROOT / "tests/gate_corpus/acme.json").read_text("utf-8"),
            "query.sql": lines[0]["sql"],
            "queries.jsonl": json.dumps(lines[0]),
            "new.sql": SQL,
            "better.sql": SQL,
            "set.yaml": yaml.safe_dump({"name": "documents", "questions": [question]}),
            "spider2/spider2-lite.jsonl": json.dumps(spider),
            "spider2/evaluation_suite/gold/exec_result/bq001.csv": "n\n42\n",
        }
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text, "utf-8")

    def leave(self) -> None:
        """Nothing that was begun here goes on: runs, schedules, keys."""
        followups = self.stack.copilot.followups
        for run in self.mine:
            if run.phase not in TERMINAL:
                run.cancel("the documents have been followed")
        for one in followups.list():
            if one["parent_run"] in {r.run_id for r in self.mine} and one["stands"] == "scheduled":
                followups.stop(one["series"])
        self.forget_keys()

    def forget_keys(self) -> None:
        """Remove the keys that the documents make; a session that was killed may have left them."""
        for name in ("ben", local_user()):
            key_files.path_of(self.stack.home.root, name).unlink(missing_ok=True)


_REVENUE = (
    "SELECT SUM(total) AS revenue FROM `bq-copilot-sandbox.shop.orders` "
    "WHERE status != 'cancelled' AND order_date BETWEEN '2025-01-01' AND '2025-12-31'"
)


def verb_of(command: Command) -> str:
    """The verb that was typed, both words where it has two."""
    words = [w for w in command.words[1:3] if re.fullmatch(r"[a-z][a-z0-9-]+", w)]
    return " ".join(words if words and words[0] in {"keys", "followups", "ledger", "approvals"} else words[:1])
