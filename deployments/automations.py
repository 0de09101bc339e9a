"""Example automations: who must know is told when an approval waits, a cancel is not confirmed, or a run is parked.

Decides: their triggers, over the events `bq-copilot.<kind>`, and their words. They notify the notification block
called `bq-copilot` (Slack, e-mail, webhook, …) and are made only where somebody has made that block: without an address
there is nobody to tell. An automation that is there is never changed: from then on it belongs to the operator.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

NOTIFIER = "bq-copilot"
"""Name of the notification block."""

REMIND_AFTER = timedelta(minutes=30)

RUNS: dict[str, Any] = {"prefect.resource.id": "bq-copilot.run.*"}

RUN = "{{ labels['prefect.resource.id'] | replace('bq-copilot.run.', '') }}"

BODY = f"Look at it with: bq-copilot show {RUN}"


def automations(block_document_id: UUID) -> list[AutomationCore]:
    """Return the examples, all of them telling the block of this id."""

    def one(name: str, description: str, trigger: EventTrigger) -> AutomationCore:
        tell = SendNotification(block_document_id=block_document_id, subject=name, body=f"{description}\n\n{BODY}")
        return AutomationCore(name=name, description=description, trigger=trigger, actions=[tell])

    each: dict[str, Any] = {"for_each": {"prefect.resource.id"}, "threshold": 1}
    decided = {"bq-copilot.approval_decided", "bq-copilot.cancel_requested", "bq-copilot.run_ended"}
    return [
        one(
            "BigQuery Copilot: an approval waits",
            f"An approval was asked for {REMIND_AFTER.seconds // 60} minutes ago and nobody has decided.",
            EventTrigger(
                posture=Posture.Proactive,
                match=RUNS,
                after={"bq-copilot.approval_requested"},
                expect=decided,
                within=REMIND_AFTER,
                **each,
            ),
        ),
        one(
            "BigQuery Copilot: a cancel is not confirmed",
            "The warehouse did not confirm that a job has stopped; it may still be running.",
            EventTrigger(
                posture=Posture.Reactive,
                match=RUNS,
                expect={"bq-copilot.cancel_unconfirmed"},
                within=timedelta(seconds=0),
                **each,
            ),
        ),
        one(
            "BigQuery Copilot: a run is parked",
            "A run needs an operator: resume or abandon it.",
            EventTrigger(
                posture=Posture.Reactive,
                match={**RUNS, "bq-copilot.phase": "parked"},
                expect={"bq-copilot.run_ended"},
                within=timedelta(seconds=0),
                **each,
            ),
        ),
    ]


async def provision_automations(client: PrefectClient) -> list[str]:
    """Create the examples that are not there, where there is somebody to tell; one line for each."""
    block_id = await _notifier(client)
    if block_id is None:
        return []
    changes: list[str] = []
    for wanted in automations(block_id):
        if not await client.read_automations_by_name(wanted.name):
            await client.create_automation(wanted)
            changes.append(f"created automation {wanted.name}")
    return changes


async def _notifier(client: PrefectClient) -> UUID | None:
    """Return the id of the notification block called `bq-copilot`, None when there is none."""
    wanted = {"block_schemas": {"block_capabilities": {"all_": ["notify"]}}, "limit": 200}
    answer = await client.request("POST", "/block_documents/filter", json=wanted)
    answer.raise_for_status()
    return next((UUID(b["id"]) for b in answer.json() if b["name"] == NOTIFIER), None)
