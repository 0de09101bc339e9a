"""Questions at the terminal that give up when they are no longer wanted.

A plain `input()` would hold the terminal although somebody else has decided. Standard input and the ledger are
watched together where the system can wait on a terminal; elsewhere the prompt simply blocks.
"""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

EVERY = 0.2
"""Seconds between two looks at whether the question still stands."""

EDITORS = ("VISUAL", "EDITOR")


class Gone(Exception):
    """What was asked has been decided elsewhere."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the person at the terminal chose; an empty verdict leaves it open."""

    verdict: str = ""
    text: str = ""
    sql: Mapping[str, str] = field(default_factory=dict[str, str])


def choose_verdict(console: Console, queries: Mapping[str, str], is_over: Callable[[], bool]) -> Choice:
    """Ask what is to happen with the card above. Raises Gone."""
    while True:
        said = _line(console, "[a]pprove, [r]eject, [e]dit, [l]eave waiting? ", is_over)
        match said.strip().lower() if said is not None else "l":
            case "a" | "approve" | "y" | "yes":
                return Choice("approve")
            case "r" | "reject" | "n" | "no":
                return Choice("reject", _line(console, "Why? ", is_over) or "")
            case "e" | "edit":
                sql = _edited(console, queries, is_over)
                if sql:
                    return Choice("edit", sql=sql)
                console.print(Text("Nothing was changed.", style="dim"))
            case "l" | "leave" | "q":
                return Choice()
            case _:
                console.print(Text("Type a, r, e or l.", style="dim"))


def choose_follow_up(console: Console, is_over: Callable[[], bool], *, offered: bool) -> str:
    """Ask what is to happen with a follow-up: `accept`, `grant`, `decline`, or empty to leave it. Raises Gone."""
    words = {"a": "accept", "d": "decline", "l": "", **({"g": "grant"} if offered else {})}
    grant = ", accept with the [g]rant" if offered else ""
    while True:
        said = _line(console, f"[a]ccept{grant}, [d]ecline, [l]eave waiting? ", is_over)
        chosen = words.get((said or "l").strip().lower()[:1])
        if chosen is not None:
            return chosen
        console.print(Text("Type one of the letters in brackets.", style="dim"))


def read_answer(console: Console, options: Sequence[str], is_over: Callable[[], bool]) -> str:
    """Ask for an answer in words, or for the number of an option. Raises Gone."""
    said = (_line(console, "Your answer: ", is_over) or "").strip()
    if said.isdigit() and 1 <= int(said) <= len(options):
        return options[int(said) - 1]
    return said


def _edited(console: Console, queries: Mapping[str, str], is_over: Callable[[], bool]) -> dict[str, str]:
    """Open the SQL of one query in the person's editor; return what changed."""
    names = list(queries)
    name = names[0] if len(names) == 1 else (_line(console, f"Which of {', '.join(names)}? ", is_over) or "")
    if name.strip() not in queries:
        return {}
    before = queries[name.strip()]
    after = _in_editor(before)
    return {} if after.strip() == before.strip() else {name.strip(): after}


def _in_editor(text: str) -> str:
    editor = next((os.environ[v] for v in EDITORS if os.environ.get(v)), "vi")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "query.sql"
        path.write_text(text, encoding="utf-8")
        subprocess.run([*shlex.split(editor), str(path)], check=False)
        return path.read_text(encoding="utf-8")


def _line(console: Console, prompt: str, is_over: Callable[[], bool]) -> str | None:
    """Return one line of input without its newline, None at the end of the input. Raises Gone."""
    console.print(Text(prompt, style="bold"), end="")
    while not _ready():
        if is_over():
            console.print()
            raise Gone
    line = sys.stdin.readline()
    if is_over():
        raise Gone
    return line.rstrip("\n") if line else None


def _ready() -> bool:
    if os.name == "nt":
        return True
    return bool(select.select([sys.stdin], [], [], EVERY)[0])
