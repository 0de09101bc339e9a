"""The one word of `Copilot` about follow-ups; what it opens is loaded when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from bq_copilot.client import Copilot
    from bq_copilot.series_client import FollowUps


class SeriesVerbs:
    """The part of `Copilot` that leads to follow-ups."""

    @property
    def followups(self) -> FollowUps:
        """The follow-ups: `list`, `show`, `accept`, `decline`, `add`, `stop`."""
        from bq_copilot.series_client import FollowUps  # noqa: PLC0415 - `show` does not need it

        return FollowUps(cast("Copilot", self))
