"""The shelf: where texts too big for an event are kept, by their digest.

Small texts stay inside the event. Reading checks size and digest every time, so a truncated or altered file is
damage that shows, not a silent miss.
"""

from __future__ import annotations

from typing import Protocol

from bq_copilot.canonical import digest_bytes
from bq_copilot.errors import Damaged
from bq_copilot.values import INLINE_LIMIT, Stored


class Blobs(Protocol):
    """Bytes by name; writing the same name twice is the same as once."""

    def write(self, name: str, data: bytes) -> None:
        """Keep `data`; when this returns, it survives a crash."""
        ...

    def read(self, name: str) -> bytes:
        """Return what was written. Raises FileNotFoundError."""
        ...


class Shelf:
    """Puts texts away and gets them back whole."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def put(self, text: str) -> Stored:
        """Keep `text` and return what an event says of it."""
        data = text.encode("utf-8")
        name = digest_bytes(data)
        if len(data) <= INLINE_LIMIT:
            return Stored(sha256=name, size=len(data), text=text)
        self._blobs.write(file_of(name), data)
        return Stored(sha256=name, size=len(data))

    def get(self, stored: Stored) -> str:
        """Return the text. Raises Damaged when it is missing or is not what was put away."""
        data = self._read(stored) if stored.text is None else stored.text.encode("utf-8")
        if digest_bytes(data) != stored.sha256 or len(data) != stored.size:
            raise Damaged(f"stored text {stored.sha256} is not what was recorded ({len(data)} bytes)")
        return data.decode("utf-8")

    def _read(self, stored: Stored) -> bytes:
        try:
            return self._blobs.read(file_of(stored.sha256))
        except FileNotFoundError as error:
            raise Damaged(
                f"stored text {stored.sha256} is missing from the result storage",
                next="Restore the result storage from its backup.",
            ) from error


def file_of(sha256: str) -> str:
    """Return the name under which the text of this digest is kept."""
    return "shelf/" + sha256.removeprefix("sha256:")
