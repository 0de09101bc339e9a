"""The example automations on a running server: made where there is somebody to tell, and they tell."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import automations
from deployments.automations import NOTIFIER, provision_automations
from tests.live import Live
from tests.waiting import until


@pytest.fixture
def told() -> Iterator[tuple[str, list[str]]]:
    """Somebody who can be told: a webhook on this machine."""
    heard: list[str] = []

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Requests)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", heard
    server.shutdown()
    server.server_close()


async def test_who_must_know_is_told_by_the_notification_block(
    stack: Live, told: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No block: no automations. With one: three, once; each tells, and an approval that was given reminds nobody."""
    address, heard = told
    monkeypatch.setattr(automations, "REMIND_AFTER", timedelta(seconds=10))  # the shortest that Prefect takes
    with temporary_settings({PREFECT_API_URL: stack.record.prefect_api_url}):
        async with get_client() as client:
            assert await provision_automations(client) == []
            block = CustomWebhookNotificationBlock(
                name=NOTIFIER, url=address, method="POST", json_data={"subject": "{{subject}}", "body": "{{body}}"}
            )
            await block.save(NOTIFIER, overwrite=True)
            made = await provision_automations(client)
            again = await provision_automations(client)
    assert (len(made), again) == (3, [])
    _happens(stack, "approval_requested", "r-decided")
    _happens(stack, "approval_decided", "r-decided")
    _happens(stack, "approval_requested", "r-waits")
    _happens(stack, "cancel_unconfirmed", "r-lives")
    _happens(stack, "run_ended", "r-done", phase="completed")
    _happens(stack, "run_ended", "r-parked", phase="parked")
    until(lambda: len(heard) >= 3, 90, every=0.5)
    said = {one["subject"].partition(": ")[2]: one["body"] for one in map(json.loads, heard)}
    assert set(said) == {"an approval waits", "a cancel is not confirmed", "a run is parked"}
    assert "bq-copilot show r-waits" in said["an approval waits"]
    assert "bq-copilot show r-lives" in said["a cancel is not confirmed"]
    assert "bq-copilot show r-parked" in said["a run is parked"]
    assert not any(other in body for body in said.values() for other in ("r-decided", "r-done"))


def _happens(stack: Live, kind: str, run: str, phase: str = "executing") -> None:
    """Post an event as the process of a run does."""
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": f"bq-copilot.{kind}",
        "resource": {"prefect.resource.id": f"bq-copilot.run.{run}", "bq-copilot.phase": phase},
        "payload": {"run_id": run},
    }
    stack.prefect("POST", "/events", [event])


def test_every_ledger_event_is_a_prefect_event(stack: Live) -> None:
    """An ordinary run: each event of its ledger is found among Prefect's events, once."""
    run = stack.ask("How many tables are there about refunds?")
    assert run.phase.is_terminal, "it is refused without anybody"
    wanted = {f"bq-copilot.{u.kind}" for u in run.updates()}
    query = {
        "filter": {"resource": {"id": [f"bq-copilot.run.{run.run_id}"]}, "occurred": {"since": "2020-01-01T00:00:00Z"}},
        "limit": 50,
    }

    def found() -> list[str]:
        return [e["event"] for e in stack.prefect("POST", "/events/filter", query)["events"]]

    until(lambda: wanted <= set(found()), 30, every=0.5)
    assert len(found()) == len(run.updates())
