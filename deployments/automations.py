"""The one automation that is made where somebody can be told: nobody takes runs from the work pool any more.

Decides: its trigger and its words. What runs need from people is told by the recovery service
(`deployments.notifying`), which stands on the hosts of the workers: when all are gone, Prefect's server still can.
It is made only where there is a notification block called `bq-copilot`. An automation that is there is never changed:
from then on it belongs to the operator.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

NOTIFIER = "bq-copilot"
"""Name of the notification block."""

NOBODY_WORKS = "BigQuery Copilot: no worker takes runs"

BODY = "No worker asks for work: runs wait, and it may be that nobody is told of approvals. Look at the worker hosts."


def automation(block_document_id: UUID, pool: str) -> AutomationCore:
    """Return the automation that tells the block of this id."""
    trigger = EventTrigger(
        posture=Posture.Reactive,
        match={"prefect.resource.name": pool},
        expect={"prefect.work-pool.not-ready"},
        threshold=1,
        within=timedelta(seconds=0),
    )
    tell = SendNotification(block_document_id=block_document_id, subject=NOBODY_WORKS, body=BODY)
    return AutomationCore(name=NOBODY_WORKS, description=BODY, trigger=trigger, actions=[tell])


async def provision_automations(client: PrefectClient, pool: str, block: str = NOTIFIER) -> list[str]:
    """Create the automation if it is not there and there is somebody to tell; one line for it."""
    block_id = await _notifier(client, block)
    if block_id is None or await client.read_automations_by_name(NOBODY_WORKS):
        return []
    await client.create_automation(automation(block_id, pool))
    return [f"created automation {NOBODY_WORKS}"]


async def _notifier(client: PrefectClient, name: str) -> UUID | None:
    """Return the id of the notification block of this name, None when there is none."""
    wanted = {"block_schemas": {"block_capabilities": {"all_": ["notify"]}}, "limit": 200}
    answer = await client.request("POST", "/block_documents/filter", json=wanted)
    answer.raise_for_status()
    return next((UUID(b["id"]) for b in answer.json() if b["name"] == name), None)
