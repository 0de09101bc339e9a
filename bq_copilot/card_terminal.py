"""The card for the terminal.

Decides how blocks become rich text. Nothing is taken as markup, and no character reaches the terminal that it could
act on. Edge module: it needs rich.
"""

from __future__ import annotations

from io import StringIO
from typing import assert_never

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from bq_copilot.card_blocks import Block, Box, Card, Code, Fact, Heading, Notice, isolated, visible


def to_terminal(card: Card) -> Group:
    """Return the card as something that a rich console prints."""
    return Group(*(_block(block) for block in card))


def to_text(card: Card, width: int = 100) -> str:
    """Return the card as plain text of this width, without colours."""
    out = StringIO()
    console = Console(file=out, width=width, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(to_terminal(card))
    return out.getvalue()


def _block(block: Block) -> Text | Panel | Padding:
    match block:
        case Heading(text, top):
            return Text(("" if top else "\n") + _safe(text), style="bold" if top else "bold cyan")
        case Notice(text):
            return Text(f"! {_safe(text)}", style="bold yellow")
        case Fact(label, text, names):
            value = " ".join(part for part in (text, ", ".join(names)) if part)
            return Text.assemble((f"{label:<14}", "dim"), _safe(value))
        case Code(text, _):
            return Padding(Text(_safe(text, lines=True), style="green"), (0, 0, 0, 2))
        case Box(title, lines):
            words = Text("\n".join(_safe(line) for line in lines), style="italic")
            return Panel(words, title=Text(_safe(title)), title_align="left", border_style="dim")
        case _:
            assert_never(block)


def _safe(text: str, *, lines: bool = False) -> str:
    return isolated(visible(text, lines=lines))
