"""The approval card in the terminal: the same blocks as in the form and on the page.

Facts stand in two columns, SQL exactly as it will run, the model's words apart at the end. Characters that show
nothing or move others are written out.
"""

from __future__ import annotations

from typing import assert_never

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bq_copilot.card_blocks import Block, Box, Card, Code, Fact, Heading, Notice, visible
from bq_copilot.safe_text import safe


def render_card(console: Console, card: Card) -> None:
    """Print a card."""
    title = next((b.text for b in card if isinstance(b, Heading) and b.top), "Approve?")
    parts = [part for group in _grouped(card) for part in group]
    console.print(Panel(Group(*parts), title=Text(safe(title)), border_style="yellow", padding=(0, 1)))


def _grouped(card: Card) -> list[list[RenderableType]]:
    """Facts that follow each other become one table with aligned labels."""
    groups: list[list[RenderableType]] = []
    facts: list[Fact] = []
    for block in card:
        if isinstance(block, Fact):
            facts.append(block)
            continue
        groups += [_facts(facts)] if facts else []
        facts = []
        groups.append(_block(block))
    return [*groups, _facts(facts)] if facts else groups


def _facts(facts: list[Fact]) -> list[RenderableType]:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        value = Text(safe(fact.text))
        for place, name in enumerate(fact.names):
            value.append(", " if place else " " if value.plain else "").append(visible(name), style="cyan")
        table.add_row(Text(safe(fact.label)), value)
    return [table]


def _block(block: Block) -> list[RenderableType]:
    match block:
        case Heading():
            return [] if block.top else [Text(), Text(safe(block.text), style="bold")]
        case Notice():
            return [Text(safe(block.text), style="bold yellow")]
        case Code():
            return [_code(block)]
        case Box():
            lines = [Text(safe(line), style="italic dim") for line in block.lines]
            return [Text(), Text(safe(block.title), style="dim"), *lines]
        case Fact():
            return _facts([block])
        case _:
            assert_never(block)


def _code(block: Code) -> Text:
    text = Text(style="cyan", overflow="fold")
    for line in visible(block.text, lines=True).splitlines():
        removed, added = block.language == "diff" and line[:1] == "-", block.language == "diff" and line[:1] == "+"
        text.append(line + "\n", style="red" if removed else "green" if added else "")
    text.right_crop(1)
    return text
