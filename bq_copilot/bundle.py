"""One run in one file, so that its receipts can be checked on a machine that has nothing but this package.

Decides what is in it: the rows exactly as they are stored, every stored text that they refer to, the signature of the
head, and for people the approval cards, the history as a page, the answer and its results. Only rows, texts and the
signature are evidence; the rest is drawn from them and can be drawn again. Reading trusts nothing: names, sizes and
counts are checked before anything is unpacked.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bq_copilot.errors import Damaged, Refused
from bq_copilot.head_signatures import Signed
from bq_copilot.receipts import GENESIS, Row
from bq_copilot.shelf import Shelf
from bq_copilot.values import Stored
from bq_copilot.verifying import Checked, stored_texts
from bq_copilot.version import __version__

FORMAT = 1
MANIFEST, EVENTS = "manifest.json", "events.jsonl"

LARGEST = 256 * 2**20
"""Bytes of one member that are read at most."""

_COLUMNS = ("run_id", "seq", "kind", "body", "at", "prev_hash", "hash")
_EPOCH = (2026, 1, 1, 0, 0, 0)
"""Time of every member: the same run gives the same file."""


@dataclass(frozen=True)
class Bundle:
    """An exported run, open for reading."""

    run_id: str
    rows: list[Row]
    shelf: Shelf
    signed: Signed | None
    head: str
    """The hash that the manifest gives for the last row."""

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Generator[Bundle]:
        """Read a file that `write` made. Raises Refused (`bad_bundle`) for any other."""
        try:
            with zipfile.ZipFile(path) as archive:
                yield cls._read(archive, path)
        except FileNotFoundError as error:
            hint = "`bq-copilot export RUN --out FILE.zip` makes one."
            raise Refused(f"There is no file {path}.", code="bad_bundle", next=hint) from error
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
            raise Refused(
                f"{path} is not an exported run: {error}.",
                code="bad_bundle",
                next="Export it again with `bq-copilot export RUN -o FILE.zip`.",
            ) from error

    @classmethod
    def _read(cls, archive: zipfile.ZipFile, path: Path) -> Bundle:
        manifest: dict[str, Any] = json.loads(_member(archive, MANIFEST))
        if manifest["format"] != FORMAT:
            raise ValueError(f"its format is {manifest['format']}, this version reads {FORMAT}")
        lines = _member(archive, EVENTS).decode("utf-8").split("\n")
        rows = [_row(json.loads(line)) for line in lines if line]
        signed = Signed(**manifest["signature"]) if manifest["signature"] else None
        return cls(str(manifest["run_id"]), rows, Shelf(_Members(archive)), signed, str(manifest["head"]))

    def check(self, found: Checked) -> Checked:
        """Compare what was checked with the manifest: rows that were cut off at the end show here."""
        if found.head != self.head:
            why = f"the manifest names another last row ({self.head[:19]}…)"
            raise Damaged(f"receipts of {self.run_id} do not verify at seq {found.rows + 1}: {why}", seq=found.rows + 1)
        return found


def _row(values: dict[str, Any]) -> Row:
    if not isinstance(values["seq"], int) or not all(isinstance(values[n], str) for n in _COLUMNS if n != "seq"):
        raise ValueError("a row has a value of another type")
    return Row(**values)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    found = archive.getinfo(name)
    if found.file_size > LARGEST:
        raise ValueError(f"{name} has {found.file_size:,} bytes")
    return archive.read(found)


class _Members:
    """The stored texts of an archive as blobs that can only be read."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, name: str, data: bytes) -> None:
        """Nothing is written into an exported run."""
        raise Refused("an exported run is read only")

    def read(self, name: str) -> bytes:
        """Return the text of this name. Raises FileNotFoundError."""
        try:
            return _member(self._archive, name)
        except KeyError as error:
            raise FileNotFoundError(name) from error


def write(
    path: Path,
    rows: Sequence[Row],
    texts: Mapping[str, bytes],
    signed: Signed | None,
    extras: Mapping[str, bytes],
) -> int:
    """Write the file; return how many members it has. `texts` are by their name on the shelf."""
    last = rows[-1]
    manifest = {
        "format": FORMAT,
        "run_id": last.run_id,
        "rows": len(rows),
        "head": last.hash if rows else GENESIS,
        "made_by": f"bq-copilot {__version__}",
        "signature": asdict(signed) if signed else None,
    }
    events = "".join(json.dumps({n: getattr(r, n) for n in _COLUMNS}, ensure_ascii=False) + "\n" for r in rows)
    members = {
        MANIFEST: json.dumps(manifest, indent=2).encode(),
        EVENTS: events.encode("utf-8"),
        **{name: texts[name] for name in sorted(texts)},
        **extras,
    }
    part = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    part.replace(path)
    return len(members)


def texts_of(events: Sequence[object], shelf: Shelf) -> dict[str, bytes]:
    """Return every text that the events keep on the shelf, by its name there. Raises Damaged."""
    found: dict[str, bytes] = {}
    stored: Iterator[Stored] = (s for event in events for s in stored_texts(event) if s.text is None)
    for one in stored:
        found["shelf/" + one.sha256.removeprefix("sha256:")] = shelf.get(one).encode("utf-8")
    return found
