"""`python -m benchmarks [NAME …]`: run the benchmarks that print what the README and the docs quote.

Every figure that is compared is taken in one run, because the machine is shared: quote the ratios.
"""

from __future__ import annotations

import importlib
import sys

NAMES = ("ledger", "durable_step", "gate", "latency", "start_latency")


def main() -> None:
    """Run the named benchmarks, all of them without names."""
    wanted = sys.argv[1:] or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    for name in wanted:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
