"""`python -m tests.golden.make`: play every story on a real stack and keep the rows that the ledger then holds.

Decides: where they are kept, one folder a version. Never does: change the files of another version; a release makes
its own once, and from then on they are only read.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from bq_copilot.client import RunHandle
from bq_copilot.version import __version__
from tests.chaos.arena import arena
from tests.golden.stories import STORIES
from tests.live import Live

HERE = Path(__file__).parent


def keep(live: Live, name: str, run: RunHandle, folder: Path) -> dict[str, Any]:
    """Write the rows of a run and the texts that they refer to; return what the index says of it."""
    reader, state = run._copilot.installation.reader, run.state
    rows = reader.rows(run.run_id)
    lines = [
        json.dumps({n: getattr(r, n) for n in ("run_id", "seq", "kind", "body", "at", "prev_hash", "hash")})
        for r in rows
    ]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (HERE / "shelf").mkdir(exist_ok=True)
    for text in (live.home.results / "shelf").iterdir():
        if text.name in "".join(r.body for r in rows):
            shutil.copyfile(text, HERE / "shelf" / text.name)
    return {
        "run_id": run.run_id,
        "rows": len(rows),
        "phase": str(state.phase),
        "failure": state.failure.code if state.failure else "",
        "head": state.hash,
        "bytes_billed": state.bytes_billed,
        "turns": len(state.turns),
        "attempts": state.started.attempt if state.started else 0,
    }


def main() -> int:
    """Play all stories, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.make")
    parser.add_argument("stories", nargs="*", choices=[*STORIES, []], default=[])
    names = parser.parse_args().stories or list(STORIES)
    folder = HERE / __version__
    folder.mkdir(exist_ok=True)
    index_file = folder / "index.json"
    index = json.loads(index_file.read_text()) if index_file.exists() else {}
    with arena() as live:
        for name in names:
            run = STORIES[name](live)
            live.disarm()
            index[name] = keep(live, name, run, folder)
            print(f"{name:<28} {index[name]['phase']:<10} {index[name]['rows']} rows", flush=True)
            index_file.write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
