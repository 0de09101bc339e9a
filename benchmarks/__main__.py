"""`python -m benchmarks [NAME …] [--OPTION …]`: run the benchmarks that print what the README and the docs quote.

Every figure that is compared is taken in one run, because the machine is shared: quote the ratios.
"""

from __future__ import annotations

import importlib
import sys
from itertools import takewhile

from bq_copilot.errors import Unreachable

NAMES = (
    "ledger",
    "durable_step",
    "gate",
    "latency",
    "start_latency",
    "retrieval",
    "long_run",
    "history",
    "page_load",
    "scale_out",
)


def main() -> None:
    """Run the named benchmarks, all of them without names."""
    named = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    wanted = named or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    missed = [name for name in wanted if not _measured(name)]
    if missed:
        sys.exit(f"\nnot measured, because no stack runs: {', '.join(missed)}")


def _measured(name: str) -> bool:
    """Run one benchmark; False, with the reason printed, when it needs a stack and none is there."""
    print(f"\n== {name}", flush=True)
    try:
        importlib.import_module(f"benchmarks.{name}").main()
    except Unreachable as error:
        print(f"{error} {error.next}")
        return False
    return True


if __name__ == "__main__":
    main()
