"""Command line of the sandbox: where its data is, which port it serves, what it is seeded with."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path


def main() -> None:
    """Parse arguments and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="bq_sandbox", description="A local stand-in for BigQuery.")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of this sandbox's state")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--seed", type=Path, default=None, help="folder of sample tables, loaded once")
    arguments = parser.parse_args()
    _quieten()
    from bq_sandbox.server import serve  # noqa: PLC0415 - heavy; --help should not wait for it

    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    serve(arguments.data_dir, arguments.seed, arguments.port)


def _quieten() -> None:
    """Keep stdout for the ready line; sqlglot warns about statements that are refused anyway."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("sqlglot").setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
