"""The command line `bq-copilot`: the verbs of `bq_copilot.client` for people and for scripts.

Decides how things look and which exit code they have, nothing else: 0 done, 2 usage, 3 refused, rejected, expired or
cancelled, 4 failed or parked, 5 stack not reachable. A verb loads what it needs and no more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    from bq_copilot.cli.app import run  # noqa: PLC0415 - `bq_copilot.cli` itself must import nothing heavy

    args = list(sys.argv[1:] if argv is None else argv)
    if not os.environ.get("BQ_COPILOT_DEBUG"):
        sys.excepthook = lambda _kind, error, _where: _last_words(error, as_json="--json" in args)
    sys.exit(run(args))


def _last_words(error: BaseException, *, as_json: bool) -> None:
    """Say in one sentence that this program is at fault; a traceback helps nobody who only uses it."""
    from bq_copilot.cli.output import report_fault  # noqa: PLC0415 - see main

    code = report_fault(error, as_json=as_json)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
