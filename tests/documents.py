"""The commands that README.md and docs/ show: taken out of their code blocks, in reading order.

Decides: what is a command there (a `$ ` line of a console block; each line of a block without a language, which shows
forms), and which commands a form with `[…]` and `|` stands for. Never does: run one. Why this shape: whoever writes a
document writes what a reader types, and nothing for the test.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployments.local.home import PROJECT_ROOT

DOCUMENTS = (PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md")))
TYPED = ("console", "sh", "bash", "shell")
"""Languages of blocks in which a line that begins with `$ ` was typed; the others are what came out."""

OPTIONAL = re.compile(r"\[[^\[\]]*\]…?")
ARGUMENT = re.compile(r"\[([A-Z_]{2,})\]")
PLACEHOLDER = re.compile(r"[A-Z_]{2,}")
RUN_ID = re.compile(r"\br-[a-z0-9]+\b")
SET = re.compile(r"[A-Z_]+=.*")


@dataclass(frozen=True)
class Command:
    """One command as a document shows it."""

    document: str
    line: int
    text: str
    words: tuple[str, ...]
    """As a shell would pass it on, placeholders and all."""
    is_form: bool = False
    """True where it is one of the commands that a form stands for, without its options."""

    @property
    def where(self) -> str:
        """Its place, as an editor takes it."""
        return f"{self.document}:{self.line}"

    @property
    def name(self) -> str:
        """Its words in one line, without what is set before it."""
        return shlex.join(w for w in self.words if not SET.fullmatch(w))


def commands_of(path: Path) -> list[Command]:
    """Every command of the document; what cannot be read as one raises ValueError with its place."""
    name = path.relative_to(PROJECT_ROOT).as_posix()
    found: list[Command] = []
    for number, language, text in _lines(path.read_text("utf-8")):
        if language in TYPED:
            found.append(Command(name, number, text, _words(f"{name}:{number}", text)))
        else:
            found += [Command(name, number, text, w, is_form=True) for w in expanded(text)]
    return found


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, language, text) of each typed line and each form, continuations joined."""
    fence: tuple[str, int] | None = None
    form: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.lstrip()
        indent = len(line) - len(stripped)
        if stripped.startswith("```"):
            if form:
                yield form[0], "", form[1]
            form, fence = None, None if fence else (stripped.removeprefix("```").strip(), indent)
        elif fence and fence[0] in TYPED and stripped.startswith("$ "):
            yield number, fence[0], stripped.removeprefix("$ ")
        elif fence and not fence[0] and stripped:
            if indent > fence[1] and form:
                form = (form[0], f"{form[1]} {stripped}")
                continue
            if form:
                yield form[0], "", form[1]
            form = (number, stripped)


def _words(where: str, text: str) -> tuple[str, ...]:
    """Split as a shell does; refuse what a shell would carry out or replace before the command sees it."""
    single = re.sub(r"'[^']*'", "''", re.sub(r"\s#.*", "", text))
    if re.search(r"[`$]", single):
        raise ValueError(f"{where}: a shell takes the ` or $ in this line for itself: {text}")
    return tuple(shlex.split(text, comments=True))


def expanded(form: str) -> list[tuple[str, ...]]:
    """Return the commands that a form stands for: no option that may be left out, each of its alternatives."""
    bare = re.sub(r"\s#.*", "", form)
    kept = [bare, *([ARGUMENT.sub(r"\1", bare)] if ARGUMENT.search(bare) else [])]
    found: list[tuple[str, ...]] = []
    for text in kept:
        left = text
        while OPTIONAL.search(left):
            left = OPTIONAL.sub("", left)
        words = shlex.split(left.replace(" | ", "|"))
        found += itertools.product(*(word.split("|") for word in words))
    return list(dict.fromkeys(found))


def options_of(form: str) -> set[str]:
    """Every option that a form or a typed line names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.sub(r"\s#.*", "", form)))


def shows(typed: Command, form: Command) -> bool:
    """True when the typed command is one of the form: its words in the same order, maybe with options between them."""
    words = iter([RUN_ID.sub("RUN", w) for w in typed.words])
    return all(any(_is(word, wanted) for word in words) for wanted in form.words) and len(typed.words) > 1


def _is(word: str, wanted: str) -> bool:
    if word == wanted or PLACEHOLDER.fullmatch(word) or word.startswith("-"):
        return word == wanted
    parts = PLACEHOLDER.split(wanted)
    return len(parts) > 1 and re.fullmatch(".+".join(map(re.escape, parts)), word) is not None


def inline_commands(path: Path) -> list[str]:
    """Every `bq-copilot …` that stands in the middle of the text."""
    text = re.sub(r"^\s*```.*?^\s*```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`(?:[A-Z_]+=\S+ )*(bq-copilot [^`]+)`", text)
