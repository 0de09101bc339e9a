"""Who is told by one process: claims, outcomes, faults of a channel, and what a look at a thousand runs costs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from bq_copilot import events as ev
from bq_copilot.journal import Journal
from bq_copilot.phases import Phase
from bq_copilot.policy import Notifications
from bq_copilot.testing import MemoryLedger
from deployments.channels import BlockChannel
from deployments.notifying import FOLDS, MISSING, Notifier
from tests.unit.test_recovery_sweep import Clock, Place, Prefect, run_at

RULES = Notifications()


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Ear:
    """A channel that remembers what it was told, and can be told to fail."""

    kind: str = "slack-webhook"
    heard: list[tuple[str, str]] = field(default_factory=list)
    error: str = ""
    before: Callable[[], None] = lambda: None

    def send(self, subject: str, body: str) -> str:
        self.before()
        if not self.error:
            self.heard.append((subject, body))
        return self.error


@dataclass
class Home(Place):
    """An installation with a UI."""

    ui_url: str = "http://ui"


@pytest.fixture
def home() -> Home:
    """An empty ledger."""
    ledger = MemoryLedger()
    return Home(ledger, Prefect(ledger))


def notifier(home: Home, ear: Ear | None, clock: Clock | None = None) -> Notifier:
    """A process that tells this channel."""
    return Notifier(home, rules=RULES, find_channel=lambda _at, _name: ear, clock=clock or Clock())  # type: ignore[arg-type]


def state_of(home: Home, run_id: str = "r-1") -> Any:
    """The run as the ledger has it."""
    return Journal.open(home.ledger, run_id).state


def test_who_must_decide_is_told_with_a_link_once(home: Home) -> None:
    """Two processes look, several times: one message, with the page that has the form."""
    run_at(home, "r-1", Phase.AWAITING_APPROVAL)
    ear = Ear()
    one, other = notifier(home, ear), notifier(home, ear)
    assert len(one.look()) == 1
    assert (other.look(), one.look(), other.look()) == ([], [], [])
    ((subject, body),) = ear.heard
    assert subject == "BigQuery Copilot: An approval waits (r-1)"
    assert "http://ui/runs/flow-run/f-r-1" in body
    (notice,) = state_of(home).notices
    assert (notice.stands, notice.channel) == ("told", "slack-webhook")


def test_of_two_processes_at_the_same_moment_one_sends(home: Home) -> None:
    """The second one looks while the first one's channel is at work: the claim in the ledger keeps it out."""
    run_at(home, "r-1", Phase.AWAITING_APPROVAL)
    quiet = Ear()
    ear = Ear(before=lambda: assert_nothing(notifier(home, quiet).look()))
    assert len(notifier(home, ear).look()) == 1
    assert (len(ear.heard), quiet.heard) == (1, [])


def assert_nothing(found: list[str]) -> None:
    assert found == []


@pytest.mark.parametrize("sent", [False, True])
def test_a_kill_between_claim_and_outcome_gives_one_duplicate_at_most_and_loses_nothing(home: Home, sent: bool) -> None:
    """Killed before the channel had it, or after: the next process tells it once the claim is old, and never again."""
    run_at(home, "r-1", Phase.AWAITING_APPROVAL)
    ear = Ear()

    class Dying(Ear):
        def send(self, subject: str, body: str) -> str:
            if sent:
                ear.send(subject, body)
            raise Killed

    with pytest.raises(Killed):
        notifier(home, Dying()).look()
    assert state_of(home).notices[0].stands == "open"
    after = notifier(home, ear)
    assert after.look() == []
    home.ledger.advance(121)
    assert len(after.look()) == 1
    home.ledger.advance(500)
    assert (after.look(), notifier(home, ear).look()) == ([], [])
    assert len(ear.heard) == 1 + sent
    assert (state_of(home).notices[0].stands, state_of(home).notices[0].attempt) == ("told", 2)


def test_a_failing_channel_costs_recorded_tries_and_the_run_goes_on(home: Home) -> None:
    """The try is recorded with its fault, the next one comes after its pause, and a decision is taken meanwhile."""
    walker = run_at(home, "r-1", Phase.AWAITING_APPROVAL)
    ear = Ear(error="HTTPStatusError, HTTP 500")
    one = notifier(home, ear)
    assert (one.look(), one.look()) == ([], [])
    (notice,) = state_of(home).notices
    assert (notice.stands, notice.attempt, notice.error) == ("failed", 1, "HTTPStatusError, HTTP 500")
    home.ledger.advance(11)
    ear.error = ""
    assert len(one.look()) == 1
    walker.journal.refresh()
    walker.journal.append(ev.CancelRequested(by="ana", via="cli"))
    assert state_of(home).cancel is not None


def test_the_outcome_is_recorded_though_somebody_decided_meanwhile(home: Home) -> None:
    """The head moves while the channel is at work."""
    walker = run_at(home, "r-1", Phase.AWAITING_APPROVAL)

    def decided() -> None:
        walker.journal.refresh()
        walker.journal.append(ev.CancelRequested(by="ana", via="cli"))

    assert len(notifier(home, Ear(before=decided)).look()) == 1
    assert state_of(home).notices[0].stands == "told"


def test_without_a_block_nothing_is_recorded_and_the_ledger_is_not_asked(home: Home) -> None:
    """The block is looked for again some seconds later, and who waits is told then."""
    walker = run_at(home, "r-1", Phase.AWAITING_APPROVAL)
    clock, ear = Clock(), Ear()
    channels: list[Ear | None] = [None, ear]
    one = Notifier(
        home,  # type: ignore[arg-type]
        rules=RULES,
        find_channel=lambda _at, _name: channels.pop(0),
        clock=clock,
    )
    asked: list[str] = []
    home.ledger.heads = _counted(home.ledger.heads, asked)  # type: ignore[method-assign]
    assert (one.look(), one.look(), asked) == ([], [], [])
    assert state_of(home).seq == walker.journal.state.seq
    clock.now += MISSING + 1
    assert len(one.look()) == 1


def _counted(method: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    def called(*args: Any, **more: Any) -> Any:
        calls.append(str(args[0] if args else ""))
        return method(*args, **more)

    return called


def test_a_run_is_read_again_only_when_it_moved_or_something_falls_due(home: Home) -> None:
    """Forty runs: some at a time until all are told, then not one read, then one for the one that is due."""
    for number in range(40):
        run_at(home, f"r-{number}", Phase.AWAITING_APPROVAL)
        home.ledger.advance(1)
    ear, reads = Ear(), list[str]()
    one = notifier(home, ear)
    assert (len(one.look()), len(one.look()), len(one.look())) == (FOLDS, 40 - FOLDS, 0)
    home.ledger.read = _counted(home.ledger.read, reads)  # type: ignore[method-assign]
    assert (one.look(), reads) == ([], [])
    first = state_of(home, "r-0").notices[0]
    reads.clear()
    asked = min(r.at for r in home.ledger.read("r-0") if r.event.kind == "approval_requested")
    reads.clear()
    home.ledger.advance((asked - home.ledger.now()).total_seconds() + RULES.remind_after_seconds + 0.5)
    assert [key.partition(" ")[0] for key in one.look()] == ["reminder"]
    assert set(reads) == {"r-0"}
    assert first.notice == "approval"


def test_a_parked_run_is_told_and_told_again_when_it_parks_again(home: Home) -> None:
    """It needs an operator each time."""
    walker = run_at(home, "r-1", Phase.CLARIFYING)
    ear = Ear()
    one = notifier(home, ear)
    for _ in range(2):
        walker.journal.refresh()
        walker.journal.append(ev.RunEnded(phase="parked"))
        assert len(one.look()) == 1
        walker.journal.refresh()
        walker.journal.append(ev.RunUnparked(by="ana", via="cli"))
        assert one.look() == []
    assert [subject for subject, _ in ear.heard] == ["BigQuery Copilot: A run is parked (r-1)"] * 2


def test_a_completed_run_tells_nobody(home: Home) -> None:
    """Whoever asked sees it; neither the end nor any other end that needs nobody is a notice."""
    for number, phase in enumerate((Phase.COMPLETED, Phase.FAILED, Phase.REJECTED, Phase.EXPIRED)):
        run_at(home, f"r-{number}", phase)
    ear = Ear()
    one = notifier(home, ear)
    assert (one.look(), one.tell("r-0"), ear.heard) == ([], [], [])
    assert state_of(home, "r-0").notices == ()


def test_what_is_one_persons_goes_to_their_own_channel(home: Home) -> None:
    """The requester has a block; an approval is for all, and a question of somebody without one as well."""
    run_at(home, "r-1", Phase.AWAITING_ANSWER)
    run_at(home, "r-2", Phase.AWAITING_APPROVAL)
    asker = state_of(home).requester
    own, everybody = Ear(kind="email"), Ear()
    ears = {"theirs": own, "bq-copilot": everybody}
    rules = Notifications(people={asker: "theirs"})
    Notifier(home, rules=rules, find_channel=lambda _at, name: ears[name], clock=Clock()).look()  # type: ignore[arg-type]
    assert [subject for subject, _ in own.heard] == ["BigQuery Copilot: A question waits for an answer (r-1)"]
    assert [subject for subject, _ in everybody.heard] == ["BigQuery Copilot: An approval waits (r-2)"]
    assert state_of(home).notices[0].channel == "email"
    run_at(home, "r-3", Phase.AWAITING_ANSWER)
    missing = {"bq-copilot": everybody}
    Notifier(home, rules=rules, find_channel=lambda _at, name: missing.get(name), clock=Clock()).look()  # type: ignore[arg-type]
    assert everybody.heard[-1][0] == "BigQuery Copilot: A question waits for an answer (r-3)"


def test_with_channels_of_people_alone_what_is_for_all_is_left(home: Home) -> None:
    """Nothing is claimed for a channel that is not there, and the run is not read again for it."""
    run_at(home, "r-1", Phase.AWAITING_APPROVAL)
    before, ear = state_of(home).seq, Ear()
    rules = Notifications(people={"somebody": "theirs"})
    find = {"theirs": ear}
    one = Notifier(home, rules=rules, find_channel=lambda _at, name: find.get(name), clock=Clock())  # type: ignore[arg-type]
    assert (one.look(), state_of(home).seq, ear.heard) == ([], before, [])
    reads: list[str] = []
    home.ledger.read = _counted(home.ledger.read, reads)  # type: ignore[method-assign]
    assert (one.look(), reads) == ([], [])


# -- a real block, a real server --------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[tuple[str, list[str], list[int]]]:
    """A webhook on this machine: its address, what it heard, and the status of its next answers."""
    heard: list[str] = []
    answers: list[int] = []

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    found = HTTPServer(("127.0.0.1", 0), Requests)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_address[1]}/hooks/SECRET", heard, answers
    found.shutdown()
    found.server_close()


def webhook(address: str) -> BlockChannel:
    """Prefect's own webhook block at this address."""
    block = CustomWebhookNotificationBlock(
        name="bq-copilot", url=address, method="POST", json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    return BlockChannel("custom-webhook", block)


def test_a_webhook_that_fails_is_tried_again_and_its_address_is_not_recorded(
    home: Home, server: tuple[str, list[str], list[int]]
) -> None:
    """Prefect's block against a server that answers 503 first: kind and status are kept, the secret path is not."""
    address, heard, answers = server
    answers.append(503)
    run_at(home, "r-1", Phase.AWAITING_APPROVAL)
    one = notifier(home, webhook(address))  # type: ignore[arg-type]
    assert one.look() == []
    assert state_of(home).notices[0].error == "HTTPStatusError, HTTP 503"
    home.ledger.advance(11)
    assert len(one.look()) == 1
    assert len(heard) == 2
    assert json.loads(heard[1])["subject"] == "BigQuery Copilot: An approval waits (r-1)"
    assert not any("SECRET" in row.body for row in home.ledger.rows("r-1"))


def test_a_block_that_hangs_or_breaks_is_one_failed_try() -> None:
    """Whatever a block does, a word comes back."""

    end = threading.Event()

    class Hanging:
        raise_on_failure = staticmethod(nullcontext)

        def notify(self, body: str, subject: str | None = None) -> None:
            end.wait(60)

    class Broken(Hanging):
        async def notify(self, body: str, subject: str | None = None) -> None:  # type: ignore[override]
            raise ZeroDivisionError("https://hooks.example/SECRET")

    assert BlockChannel("x", Hanging(), patience=0.05).send("s", "b") == "no answer within 0 s"
    assert BlockChannel("x", Broken()).send("s", "b") == "ZeroDivisionError"
    end.set()
