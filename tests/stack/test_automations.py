"""The example automations on a running server: made where there is somebody to tell, and they tell."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

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


async def test_a_parked_run_is_told_to_the_notification_block(stack: Live, told: tuple[str, list[str]]) -> None:
    """No block: no automations. With one: three, once; the event of a parked run reaches it with the run's id."""
    address, heard = told
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
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "bq-copilot.run_ended",
        "resource": {"prefect.resource.id": "bq-copilot.run.r-parked", "bq-copilot.phase": "parked"},
        "payload": {"run_id": "r-parked"},
    }
    stack.prefect("POST", "/events", [event])
    until(lambda: heard, 30)
    said = json.loads(heard[0])
    assert said["subject"] == "BigQuery Copilot: a run is parked"
    assert "bq-copilot show r-parked" in said["body"]


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
