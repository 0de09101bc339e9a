"""L4: the canonical text, and the parser that it must survive.

Decides the one text that is analysed, shown, hashed and run. It is generated from the tree, holds no comments, and
names every table in full. It never passes a user's bytes through: what the generator cannot write is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import SqlglotError

from bq_copilot.gate.verbatim import masked, unmask

ENGINE = f"sqlglot {sqlglot.__version__}"  # pyright: ignore[reportPrivateImportUsage]  # exported, not in __all__
LINE = 48
"""Characters of an expression that stay on one line: an approval form is narrow, and nothing may be cut off in it."""


class _Plain(BigQuery):
    """The dialect without its table of time formats: `%-d` stays `%-d`."""

    TIME_MAPPING: ClassVar[dict[str, str]] = {}


PLAIN = _Plain()
GENERATOR = PLAIN.generator(
    comments=False, pretty=True, max_text_width=LINE, unsupported_level=sqlglot.ErrorLevel.RAISE
)


class Unparsed(ValueError):
    """The text is not one statement that the first engine understands."""


def parse(sql: str) -> exp.Expr:
    """Return the tree of exactly one statement; raises `Unparsed`, or `LexicalFault` for a name that is ours."""
    text = masked(sql)
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect=PLAIN) if tree is not None]
    except SqlglotError as error:
        raise Unparsed(_first_line(error)) from error
    except RecursionError as error:
        raise Unparsed("it is nested too deeply") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise Unparsed("the parser failed on it") from error
    if len(trees) != 1:
        raise Unparsed("it is not exactly one statement")
    if text != sql:
        unmask(trees[0])
    return trees[0]


def render(tree: exp.Expr) -> str:
    """Return the text of a tree, without comments, and use the tree up; raises `Unparsed`."""
    try:
        return GENERATOR.generate(tree, copy=False)
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise Unparsed("it cannot be written back as a query") from error


def name_tables(named: Iterable[tuple[exp.Table, str]]) -> None:
    """Write every stored table in full inside the tree, with its implicit alias made explicit."""
    for node, name in named:
        project, dataset, table = name.split(".")
        if not node.alias and "*" not in table and not node.args.get("pivots"):
            node.set("alias", exp.TableAlias(this=exp.to_identifier(node.parts[-1].name)))
        node.set("catalog", exp.to_identifier(project, quoted=True))
        node.set("db", exp.to_identifier(dataset, quoted=True))
        node.set("this", exp.to_identifier(table, quoted=True))
        node.meta["quoted_table"] = True


def settle(tree: exp.Expr) -> None:
    """Bring equal meanings to one form where the generator would keep two."""
    for node in list(tree.find_all(exp.Interval, exp.DateAdd, exp.DateSub, exp.TimestampAdd, exp.TimestampSub)):
        amount = node.this if isinstance(node, exp.Interval) else node.args.get("expression")
        if isinstance(amount, exp.Literal) and amount.is_string and amount.this.lstrip("-").isdigit():
            amount.replace(exp.Literal.number(amount.this))


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or ["it does not parse"]
    return lines[0].split(" but got")[0].rstrip(". ")
