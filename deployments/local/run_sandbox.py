"""`python -m deployments.local.run_sandbox DATA_DIR PORT SEED_DIR`: become the sandbox warehouse.

Decides: nothing; it looks up the sandbox's own interpreter and turns into it. Never does: stay as a parent. Why
this shape: the sandbox lives in an environment of its own (its pins conflict with ours), which may have to be built
first, and the supervisor must not wait for that.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from deployments.local.sandbox_environment import sandbox_command, sandbox_variables


def main(data_dir: str, port: str, seed_dir: str) -> None:
    """Replace this process; does not return."""
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    command = sandbox_command(Path(data_dir), int(port), Path(seed_dir))
    os.execve(command[0], command, sandbox_variables())  # noqa: S606 - a list, no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
