"""`python -m tests.golden.pack FOLDER`: the runs that chaos kept, as one small file that tests replay.

Decides the file's form: JSON lines in xz, each stored text once for all runs, then each run with its rows as they are
stored. Only runs whose receipts verify get in, and the first one that does not stops the packing: a run that is left
out in silence would make the test say more than it saw.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bq_copilot import bundle
from bq_copilot.ledger_reader import parse_all
from bq_copilot.receipts import Row
from bq_copilot.transitions import fold
from bq_copilot.verifying import check_run
from bq_copilot.version import __version__

HERE = Path(__file__).parent
SUFFIX = ".jsonl.xz"
_COLUMNS = ("run_id", "seq", "kind", "body", "at", "prev_hash", "hash")


@dataclass(frozen=True)
class Kept:
    """The runs of one packed file."""

    runs: dict[str, list[Row]]
    texts: dict[str, bytes]

    def write(self, name: str, data: bytes) -> None:
        """Add a text; the packed file itself is never changed."""
        self.texts[name] = data

    def read(self, name: str) -> bytes:
        """Return a stored text, so that a shelf can stand on this. Raises FileNotFoundError."""
        if name not in self.texts:
            raise FileNotFoundError(name)
        return self.texts[name]


def gather(folder: Path) -> Kept:
    """Read every exported run in `folder`, and verify it."""
    kept = Kept({}, {})
    for path in sorted(folder.glob("*.zip")):
        with bundle.Bundle.open(path) as found:
            found.check(check_run(found.run_id, found.rows, found.shelf, None, found.signed))
            kept.runs[found.run_id] = found.rows
            kept.texts.update(bundle.texts_of([e.event for e in parse_all(found.rows)], found.shelf))
    return kept


def pack(kept: Kept) -> bytes:
    """Return the file's bytes."""
    lines = [{"text": name, "data": kept.texts[name].decode("utf-8")} for name in sorted(kept.texts)]
    lines += [{"run": name, "rows": [_line(r) for r in rows]} for name, rows in sorted(kept.runs.items())]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return lzma.compress(text.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME)


def unpack(path: Path) -> Kept:
    """Read a file that `pack` made."""
    kept = Kept({}, {})
    for raw in lzma.decompress(path.read_bytes()).decode("utf-8").split("\n"):
        line = json.loads(raw) if raw else {}
        if "text" in line:
            kept.texts[line["text"]] = line["data"].encode("utf-8")
        elif "run" in line:
            kept.runs[line["run"]] = [Row(**dict(zip(_COLUMNS, values, strict=True))) for values in line["rows"]]
    return kept


def _line(row: Row) -> list[object]:
    return [getattr(row, name) for name in _COLUMNS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack a folder; print what is in the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.pack")
    parser.add_argument("folder", type=Path, help="what `python -m tests.chaos --keep FOLDER` kept")
    parser.add_argument("--out", type=Path, default=HERE / f"chaos-{__version__}{SUFFIX}")
    chosen = parser.parse_args(arguments)
    kept = gather(chosen.folder)
    data = pack(kept)
    chosen.out.write_bytes(data)
    ends = Counter(str(fold(name, parse_all(rows)).phase) for name, rows in kept.runs.items())
    print(
        f"{chosen.out}: {len(kept.runs)} runs, {sum(map(len, kept.runs.values())):,} rows,"
        f" {len(kept.texts)} texts, {len(data):,} bytes; {dict(ends)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
