"""A notification block on a running server: who must decide is told through it, and that nobody works."""

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

from bq_copilot.policy import Notifications
from deployments.automations import provision_automations
from deployments.local.environment import WORK_POOL
from deployments.notifying import Notifier
from tests.live import Live
from tests.waiting import until

TOLD = "bq-copilot-told"
"""A block of its own: the stack's recovery service would tell one called `bq-copilot` of the other tests' runs."""


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


async def test_a_notification_block_is_told_of_an_approval_and_of_missing_workers(
    stack: Live, told: tuple[str, list[str]]
) -> None:
    """No block: nobody is told, nothing is made. With one, the approval reaches it with the page of its form; the
    automation is made once, and fires when no worker asks for work."""
    address, heard = told
    run = stack.ask("How did revenue per month develop in 2025?")
    notifier = Notifier(stack.copilot.installation, rules=Notifications(block=TOLD))
    assert notifier.tell(run.run_id) == []
    with temporary_settings({PREFECT_API_URL: stack.record.prefect_api_url}):
        async with get_client() as client:
            assert await provision_automations(client, WORK_POOL, TOLD) == []
            block = CustomWebhookNotificationBlock(
                name=TOLD, url=address, method="POST", json_data={"subject": "{{subject}}", "body": "{{body}}"}
            )
            await block.save(TOLD, overwrite=True)
            made = await provision_automations(client, WORK_POOL, TOLD)
            again = await provision_automations(client, WORK_POOL, TOLD)
    assert (len(made), again) == (1, [])
    with_block = Notifier(stack.copilot.installation, rules=Notifications(block=TOLD))
    assert len(with_block.tell(run.run_id)) == 1
    said = json.loads(heard.pop())
    assert said["subject"] == f"BigQuery Copilot: An approval waits ({run.run_id})"
    assert f"{stack.record.prefect_ui_url}/runs/flow-run/{run.state.started.flow_run_id}" in said["body"]
    (waits,) = [p for p in stack.copilot.pending() if p["run_id"] == run.run_id]
    assert [(n["state"], n["channel"]) for n in waits["told"]] == [("told", "custom-webhook")]
    run.cancel()
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "prefect.work-pool.not-ready",
        "resource": {"prefect.resource.id": f"prefect.work-pool.{uuid4()}", "prefect.resource.name": WORK_POOL},
    }
    stack.prefect("POST", "/events", [event])
    until(lambda: heard, 60)
    assert json.loads(heard[0])["subject"] == "BigQuery Copilot: no worker takes runs"


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
