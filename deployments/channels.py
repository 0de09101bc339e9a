"""A channel to people outside: one notification block of Prefect, whatever its type.

Decides: which block is meant, how long it may take, and what is kept of its fault: the kind and the status, because the
words of a fault may hold the block's address, which is a secret. Prefect itself is loaded only once there is a block.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from bq_copilot.installation import Installation

PATIENCE = 45.0
"""Seconds that a channel may take; a claim in the ledger stands longer, so nobody sends the same beside it."""

log = logging.getLogger("bq_copilot.notices")


class Channel(Protocol):
    """Somebody who can be told."""

    @property
    def kind(self) -> str:
        """Return what it is, e.g. `slack-webhook`."""
        ...

    def send(self, subject: str, body: str) -> str:
        """Send, and return what went wrong in a few words; empty when it was taken. Never raises."""
        ...


@dataclass(frozen=True)
class BlockChannel:
    """A notification block."""

    kind: str
    block: Any
    patience: float = PATIENCE

    def send(self, subject: str, body: str) -> str:
        """Send within the time; a block that hangs is left behind in its thread."""
        outcome: list[str] = []

        def deliver() -> None:
            try:
                with self.block.raise_on_failure():
                    sent = self.block.notify(body, subject)
                    if inspect.isawaitable(sent):
                        asyncio.run(_awaited(sent))
                outcome.append("")
            except Exception as error:  # noqa: BLE001 - blocks are anybody's code: whatever it raises is one failed try
                outcome.append(fault(error))

        thread = threading.Thread(target=deliver, daemon=True)
        thread.start()
        thread.join(self.patience)
        return outcome[0] if outcome else f"no answer within {self.patience:.0f} s"


async def _awaited(sent: Any) -> None:
    await sent


def fault(error: BaseException) -> str:
    """Return the kind of a fault, with its HTTP status where it has one."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"{type(error).__name__}, HTTP {status}" if status else type(error).__name__


def channel_called(at: Installation, name: str) -> Channel | None:
    """Return the notification block of this name, None when there is none. Raises Unreachable."""
    found = at.api.notifiers(name)
    return channel_of(found[0]) if found else None


def channel_of(document: dict[str, Any]) -> Channel:
    """Return the channel that a notification block's document is."""
    from prefect.blocks import notifications  # noqa: F401, PLC0415 - registers the types; loaded only for a block
    from prefect.blocks.core import Block  # noqa: PLC0415
    from prefect.client.schemas.objects import BlockSchema  # noqa: PLC0415

    kind = Block.get_block_class_from_schema(BlockSchema.model_validate(document["block_schema"]))
    return BlockChannel(kind_of(document), kind.model_validate(document["data"]))


def kind_of(document: dict[str, Any]) -> str:
    """Return the slug of a document's block type."""
    return str((document.get("block_type") or {}).get("slug") or "notification block")
