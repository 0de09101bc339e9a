"""The card as Markdown, for the Prefect form and its artifact.

Decides how blocks become Markdown that shows nothing but text: no link, image, markup or HTML can come out of what
was put in, and nothing is folded away.
"""

from __future__ import annotations

import re
from typing import assert_never

from bq_copilot.card_blocks import Block, Box, Card, Code, Fact, Heading, Notice, isolated, visible

SIGNS = re.compile(r"([\\`*_\[\]{}#|!~$^])")
LINKS = re.compile(r"(?i)((?:https?|ftp|file|javascript|mailto)(?=:)|www(?=\.))([:.])")
DIGEST = re.compile(r"(sha256:)([0-9a-f]{32})([0-9a-f]{32})")
LEADING = re.compile(r"^(\s*)([-+=:]|\d+[.)])")


def to_markdown(card: Card) -> str:
    """Return the card as Markdown."""
    lines: list[str] = []
    before: Block | None = None
    for block in card:
        if before is not None and not (isinstance(block, Fact) and isinstance(before, Fact)):
            lines.append("")
        lines.append(_block(block))
        before = block
    return "\n".join(lines) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, top):
            return f"{'###' if top else '####'} {plain(text)}"
        case Notice(text):
            return f"> **{plain(text)}**"
        case Fact(label, text, names):
            return f"- **{label}** {_value(text, names)}"
        case Code(text, language):
            return _fenced(text, language)
        case Box(title, lines):
            quoted = "\n".join(f"> {_line(line)}  " for line in lines)
            return f"> **{plain(title)}**\n>\n{quoted}"
        case _:
            assert_never(block)


def _value(text: str, names: tuple[str, ...]) -> str:
    return " ".join(part for part in (plain(text), ", ".join(_name(n) for n in names)) if part)


def _name(text: str) -> str:
    """A digest has no place to break a line at: in halves it fits the narrow form, and nothing is cut off."""
    digest = DIGEST.fullmatch(text)
    return " ".join(_mono(part) for part in digest.groups()) if digest else _mono(text)


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    safe = LINKS.sub(r"\1[\2]", visible(text))
    safe = SIGNS.sub(r"\\\1", safe)
    return isolated(safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _line(text: str) -> str:
    return LEADING.sub(lambda found: f"{found[1]}{_escaped(found[2])}", plain(text))


def _escaped(mark: str) -> str:
    return f"{mark[:-1]}\\{mark[-1]}"


def _mono(text: str) -> str:
    clean = isolated(visible(text)).strip() or " "
    fence = "`" * (_longest(clean) + 1)
    pad = " " if clean.startswith("`") or clean.endswith("`") else ""
    return f"{fence}{pad}{clean}{pad}{fence}"


def _fenced(text: str, language: str) -> str:
    clean = isolated(visible(text, lines=True))
    fence = "`" * max(3, _longest(clean) + 1)
    return f"{fence}{language}\n{clean}\n{fence}"


def _longest(text: str) -> int:
    return max((len(found) for found in re.findall("`+", text)), default=0)
