"""BigQuery Copilot: durable, approved, audited analytics. `from bq_copilot import Copilot`.

The names load on first use, so that importing one part of the package never pays for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bq_copilot.version import __version__

if TYPE_CHECKING:
    from bq_copilot.client import Copilot, RunHandle, Update

__all__ = ["Copilot", "RunHandle", "Update", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bq_copilot' has no attribute {name!r}")
    from bq_copilot import client  # noqa: PLC0415 - the lazy load that this function is for

    return getattr(client, name)
