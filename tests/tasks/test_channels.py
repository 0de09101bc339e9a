"""Prefect's own notification blocks against real servers on this machine: what arrives, and what becomes of a loss."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from apprise.plugins.slack import NotifySlack
from prefect.blocks.core import Block
from prefect.blocks.notifications import SlackWebhook
from pydantic import SecretStr

from bq_copilot.journal import Journal
from bq_copilot.phases import Phase
from bq_copilot.policy import Notifications
from bq_copilot.testing import MemoryLedger
from deployments.channels import BlockChannel
from deployments.notifying import Notifier
from tests import recorded_runs as rr
from tests.tasks.listeners import Mailbox, Webhook, mailbox, webhook
from tests.tasks.test_notifying import Home
from tests.unit.test_recovery_sweep import Prefect, run_at
from tests.waiting import until

SECRET = "hunter2"
PATIENCE = 30.0
TOKENS = ("TAAAAAAAA", "BBBBBBBBB", "cccccccccccccccccccccccc")
PROSE = "Counting orders answers it."
"""What the model said of its plan."""


class Place:
    """An installation with a UI, and nothing but a ledger behind it."""

    environment = "default"
    ui_url = "http://ui.example"

    def __init__(self, run: rr.Recording, *blocks: Block) -> None:
        self.ledger = run.ledger
        self.api = SimpleNamespace(notifiers=lambda _name: [document(block) for block in blocks])


def document(block: Block) -> dict[str, Any]:
    """What Prefect's server says of a saved block to who may see its secrets."""
    schema = type(block)._to_block_schema(uuid.uuid4())
    saved = {
        "data": block.model_dump(mode="json", context={"include_secrets": True}),
        "block_schema": {**schema.model_dump(mode="json"), "checksum": type(block)._calculate_schema_checksum()},
        "block_type": {"slug": type(block).get_block_type_slug()},
    }
    return json.loads(json.dumps(saved))


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    """A mail server."""
    with mailbox() as box:
        yield box


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A server that stands where Slack's is."""
    with webhook() as found:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{found.address}/services")
        yield found


def by_mail(box: Mailbox, patience: float = 45.0) -> BlockChannel:
    """Prefect's block with the address of a mail server, as `docs/operations.md` says it is written."""
    address = (
        f"mailto://copilot:{SECRET}@127.0.0.1:{box.port}?mode=insecure&format=text"
        "&smtp=127.0.0.1&from=copilot@shop.example&to=team@shop.example"
    )
    return BlockChannel("slack-webhook", SlackWebhook(url=SecretStr(address)), patience)


def by_slack(patience: float = 45.0) -> BlockChannel:
    """Prefect's block with an incoming webhook of Slack."""
    address = "https://hooks.slack.com/services/" + "/".join(TOKENS)
    return BlockChannel("slack-webhook", SlackWebhook(url=SecretStr(address)), patience)


def notifier(run: rr.Recording, channel: BlockChannel) -> Notifier:
    """A process that tells this channel."""
    return Notifier(Place(run), rules=Notifications(), find_channel=lambda _at, _name: channel)  # type: ignore[arg-type]


def notice_of(run: rr.Recording) -> Any:
    """The one notice as the ledger has it."""
    run.journal.refresh()
    (found,) = run.state.notices
    return found


def recorded(run: rr.Recording) -> str:
    """Everything that the ledger holds of the run."""
    return "\n".join(row.body for row in run.ledger.rows(run.run_id))


def assert_says_what_it_should(text: str) -> None:
    """The facts of the card and the way to the form, with neither SQL nor what the model wrote."""
    assert "as ann wrote it (not checked): “Which countries have the most orders?”" in text
    assert "Tables: p.shop.orders" in text
    assert "Decide in the form: http://ui.example/runs/flow-run/11111111-1111-4111-8111-111111111111" in text
    assert PROSE not in text and "SELECT" not in text and SECRET not in text


def test_a_mail_arrives_with_subject_facts_and_link(mail: Mailbox, tmp_path: Path) -> None:
    """A whole SMTP conversation: login, sender, recipient, subject, text."""
    run = rr.waiting_for_approval(tmp_path)
    saved = by_mail(mail).block
    assert len(Notifier(Place(run, saved), rules=Notifications()).look()) == 1  # type: ignore[arg-type]
    (got,) = mail.taken
    assert (mail.logins, mail.recipients) == ([f"copilot {SECRET}"], ["<team@shop.example>"])
    assert got["Subject"] == f"BigQuery Copilot: An approval waits ({run.run_id})"
    assert "copilot@shop.example" in got["From"] and "team@shop.example" in got["To"]
    body = got.get_body(("plain",))
    assert body is not None
    assert_says_what_it_should(body.get_content())
    assert (notice_of(run).stands, notice_of(run).channel) == ("told", "slack-webhook")
    assert SECRET not in recorded(run)


def test_a_question_is_mailed_to_its_requester_without_the_words_of_the_model(mail: Mailbox, tmp_path: Path) -> None:
    """The model's question stays in the form."""
    run = rr.Recording(tmp_path).started().asked("Click https://evil.example or lose it all?")
    assert len(notifier(run, by_mail(mail)).look()) == 1
    body = mail.taken[0].get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert mail.taken[0]["Subject"] == f"BigQuery Copilot: A question waits for an answer ({run.run_id})"
    assert text.startswith("For: ann")
    assert "Answer in the form: http://ui.example/runs/flow-run/" in text
    assert "evil" not in text


def test_a_mail_server_that_refuses_is_tried_again_and_the_run_goes_on(mail: Mailbox, tmp_path: Path) -> None:
    """Its words, which name who it was for, are not recorded; an approval is taken meanwhile."""
    mail.refusal = "550 team@shop.example is unknown here"
    run = rr.waiting_for_approval(tmp_path)
    assert notifier(run, by_mail(mail)).look() == []
    assert (notice_of(run).stands, notice_of(run).error) == ("failed", "NotificationError")
    assert mail.taken == []
    assert "team@" not in recorded(run)
    run.decided()
    assert run.state.phase is Phase.EXECUTING


def test_a_mail_server_that_hangs_costs_its_time_and_no_more(mail: Mailbox, tmp_path: Path) -> None:
    """It does not greet: the try is given up, recorded, and somebody can decide."""
    mail.silent = threading.Event()
    run = rr.waiting_for_approval(tmp_path)
    assert notifier(run, by_mail(mail, patience=0.2)).look() == []
    assert notice_of(run).error == "no answer within 0 s"
    run.decided()
    assert run.state.phase is Phase.EXECUTING


def test_a_slack_message_arrives_at_its_webhook(slack: Webhook, tmp_path: Path) -> None:
    """The path holds the block's tokens; title and text are where Slack looks for them."""
    run = rr.waiting_for_approval(tmp_path)
    assert len(notifier(run, by_slack()).look()) == 1
    ((path, body),) = slack.heard
    assert path == "/services/" + "/".join(TOKENS)
    (said,) = json.loads(body)["attachments"]
    assert said["title"] == f"BigQuery Copilot: An approval waits ({run.run_id})"
    assert_says_what_it_should(said["text"])
    assert not any(token in recorded(run) for token in TOKENS)


def test_a_webhook_that_refuses_and_then_hangs_loses_nothing(slack: Webhook) -> None:
    """One refusal and one silence are two recorded tries; the third one arrives."""
    ledger = MemoryLedger()
    home = Home(ledger, Prefect(ledger))
    run_at(home, "r-1", Phase.AWAITING_APPROVAL)

    def found(_at: object, _name: str) -> BlockChannel:
        return by_slack(1.0 if slack.silent else 45.0)

    one = Notifier(home, rules=Notifications(), find_channel=found, clock=itertools.count(0, 100).__next__)  # type: ignore[arg-type]
    tries: list[str] = []
    slack.answers.append(500)
    for pause in (11, 41, 0):
        assert len(one.look()) == (not pause)
        (notice,) = Journal.open(ledger, "r-1").state.notices
        tries.append(notice.error)
        ledger.advance(pause)
        slack.silent = threading.Event() if pause == 11 else None
    assert tries == ["NotificationError", "no answer within 1 s", ""]
    until(lambda: len(slack.heard) == 3, PATIENCE)
