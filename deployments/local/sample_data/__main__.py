"""`python -m deployments.local.sample_data OUT_DIR [--seed 7] [--scale 1.0]`: write the sample tables.

Decides: the command's arguments and what it prints. Never does: draw or write by itself. Why this shape:
the local stack and the tests call the same two functions that this command calls.
"""

import argparse
import sys
from pathlib import Path

from deployments.local.sample_data.files import write_shop
from deployments.local.sample_data.shop import DEFAULT_SEED, draw_shop


def main(arguments: list[str] | None = None) -> int:
    """Write the tables and print one line for each; exit code 0, or 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m deployments.local.sample_data", description=__doc__)
    parser.add_argument("out_dir", type=Path, help="folder for <dataset>.<table>.parquet and .json")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="same seed, same bytes (default 7)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the row counts (default 1.0)")
    options = parser.parse_args(arguments)
    try:
        shop = draw_shop(options.seed, options.scale)
    except ValueError as error:
        parser.error(str(error))
    for written in write_shop(shop, options.out_dir):
        print(f"{written.table:<16}{written.rows:>10,} rows  {written.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
