"""The card as one HTML fragment that needs nothing else: no script, no style sheet, no image, no link.

Decides how blocks become HTML. Every text is escaped, and shown in the order in which it is stored whatever its
writing direction.
"""

from __future__ import annotations

from html import escape
from typing import assert_never

from bq_copilot.card_blocks import Block, Box, Card, Code, Fact, Heading, Notice, runs, visible

FRAME = "font-family:system-ui,sans-serif;max-width:60rem;line-height:1.45;unicode-bidi:isolate"
MONO = "font-family:ui-monospace,monospace;unicode-bidi:isolate"
PRE = f"{MONO};white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f5;color:#18181b;padding:.6rem"
NOTICE = "border-left:4px solid #b45309;padding:.3rem .6rem;font-weight:600"
BOX = "border:1px dashed #71717a;padding:.3rem .8rem;margin-top:1rem;font-style:italic"


def to_html(card: Card) -> str:
    """Return the card as an HTML fragment."""
    return f'<section class="bqc-card" dir="ltr" style="{FRAME}">\n' + "\n".join(map(_block, card)) + "\n</section>\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, top):
            level = "h2" if top else "h3"
            return f"<{level}>{_text(text)}</{level}>"
        case Notice(text):
            return f'<p style="{NOTICE}">{_text(text)}</p>'
        case Fact(label, text, names):
            return f'<div class="bqc-fact"><strong>{escape(label)}</strong> {_value(text, names)}</div>'
        case Code(text, _):
            return f'<pre dir="ltr" style="{PRE}"><code>{_text(text, lines=True)}</code></pre>'
        case Box(title, lines):
            words = "<br>".join(_text(line) for line in lines)
            return f'<aside style="{BOX}"><strong>{_text(title)}</strong><br>{words}</aside>'
        case _:
            assert_never(block)


def _value(text: str, names: tuple[str, ...]) -> str:
    shown = ", ".join(f'<code style="{MONO}">{_text(n)}</code>' for n in names)
    return " ".join(part for part in (_text(text), shown) if part)


def _text(text: str, *, lines: bool = False) -> str:
    """Return escaped text; each right-to-left piece stands in an element of its own."""
    pieces = runs(visible(text, lines=lines))
    return "".join(f"<bdi>{escape(piece)}</bdi>" if turned else escape(piece) for piece, turned in pieces)
