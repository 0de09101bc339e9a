"""How everything leaves the command line: text through rich without markup, JSON in ASCII, errors in one form.

Nothing here prints what it is given raw: consoles interpret no markup, and JSON escapes every character that a
terminal could act on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bq_copilot.errors import Conflict, CopilotError, Damaged, LedgerUnavailable, Refused, Unreachable
from bq_copilot.journal import UnknownRun
from bq_copilot.phases import Phase
from bq_copilot.safe_text import safe

DONE, USAGE, REFUSED, FAILED, UNREACHABLE = 0, 2, 3, 4, 5

PIPED_WIDTH = 120
"""Columns of tables where nobody says how wide the output is."""

_STACK_CODES = frozenset({"not_authorised", "deployment_missing", "not_a_prefect_api", "no_ledger_store"})
_USAGE_CODES = frozenset(
    {"no_question", "no_answer", "no_result", "edit_invalid", "chart_invalid"}
    | {"bad_file", "no_file", "bad_bundle", "bad_fork", "bad_eval"}
)

_CODE_OF_PHASE = {
    Phase.COMPLETED: DONE,
    Phase.PARTIAL: FAILED,
    Phase.FAILED: FAILED,
    Phase.PARKED: FAILED,
    Phase.REFUSED: REFUSED,
    Phase.REJECTED: REFUSED,
    Phase.EXPIRED: REFUSED,
    Phase.CANCELLED: REFUSED,
}


def console(*, err: bool = False) -> Console:
    """Return a console that takes text literally; what goes into a file or pipe has a width of its own."""
    piped = not (sys.stderr if err else sys.stdout).isatty()
    width = PIPED_WIDTH if piped and "COLUMNS" not in os.environ else None
    return Console(stderr=err, markup=False, highlight=False, emoji=False, width=width)


def say(text: str = "", style: str = "", *, err: bool = False) -> None:
    """Print one safe line."""
    console(err=err).print(Text(safe(text, lines=True), style=style))


def put_json(value: object) -> None:
    """Print `value` as JSON on stdout; control and direction characters are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=True).replace("\x7f", "\\u007f")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def code_of_phase(phase: Phase) -> int:
    """Return the exit code of a run that ended (or stands) in this phase."""
    return _CODE_OF_PHASE.get(phase, DONE)


def code_of_error(error: CopilotError) -> int:
    """Return the exit code of an error, by what it means for the caller."""
    match error:
        case Unreachable() | LedgerUnavailable():
            return UNREACHABLE
        case UnknownRun():
            return USAGE
        case Refused() | Conflict():
            if error.code in _STACK_CODES:
                return UNREACHABLE
            return USAGE if error.code in _USAGE_CODES else REFUSED
        case _:
            return FAILED


def error_view(error: CopilotError) -> dict[str, Any]:
    """Return an error as JSON shows it; a lost race names its winner."""
    view: dict[str, Any] = {"code": error.code, "message": error.message, "next": error.next}
    if isinstance(error, Conflict):
        at = error.at.isoformat() if error.at else None
        view |= {"winner": error.winner, "verdict": error.verdict, "at": at}
    if isinstance(error, Damaged):
        view |= {"seq": error.seq}
    return view


def report(error: CopilotError, *, as_json: bool, more: Mapping[str, Any] | None = None) -> int:
    """Print what went wrong and what to do next; return the exit code."""
    if as_json:
        put_json({**(more or {}), "error": error_view(error)})
    else:
        say(error.message, "red", err=True)
        if error.next:
            say(f"→ {error.next}", err=True)
    return code_of_error(error)


def report_usage(message: str, *, as_json: bool) -> int:
    """Print what is wrong with the command that was typed."""
    hint = "See `bq-copilot --help`, or `--help` after the command."
    return _report_plain("usage", message, hint, USAGE, as_json=as_json)


def report_fault(error: BaseException, *, as_json: bool) -> int:
    """Print that this program is at fault, in one sentence."""
    message = f"bq-copilot itself failed: {type(error).__name__}: {error}"
    hint = "Run it again with BQ_COPILOT_DEBUG=1 to see where, and report that."
    return _report_plain("fault", message, hint, FAILED, as_json=as_json)


def _report_plain(code: str, message: str, hint: str, exit_code: int, *, as_json: bool) -> int:
    if as_json:
        put_json({"error": {"code": code, "message": message, "next": hint}})
    else:
        say(message, "red", err=True)
        say(f"→ {hint}", err=True)
    return exit_code
