"""Read `CREATE TABLE` texts, as BigQuery writes them, into catalog tables.

Decides nothing about safety: it reads exported schemas (INFORMATION_SCHEMA.TABLES.ddl, evaluation sets), never SQL
that is to run. What it does not know in a column's options is passed over; a text that is no table raises ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bq_copilot.catalog import Column, Mode, Table

_TOKEN = re.compile(r'`(?:[^`])*`|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[\w.]+|[<>(),;=\[\]]', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TAIL = re.compile(r"\n\)(?:[^\n]*\n)*?OPTIONS\(", re.MULTILINE)
_DESCRIPTION = re.compile(r'\bdescription="((?:[^"\\]|\\.)*)"', re.DOTALL)
_LABELS = re.compile(r'\(\s*"((?:[^"\\]|\\.)*)"\s*,\s*"((?:[^"\\]|\\.)*)"\s*\)')
_PARTITION = re.compile(r"\nPARTITION BY (?:\w+\()*`?(\w+)")
_NAME = re.compile(r"CREATE (?:OR REPLACE )?(?:TABLE|VIEW|MATERIALIZED VIEW|EXTERNAL TABLE) `([^`]+)`", re.IGNORECASE)


def table_from_ddl(text: str) -> Table:
    """Return the table that a DDL text creates, with nested fields, descriptions and labels."""
    named = _NAME.search(text)
    if named is None or named.group(1).count(".") < 2:
        raise ValueError("the text creates no table with a full name. Write it as `project.dataset.table`.")
    end = _TAIL.search(text, named.end())
    reader = _Reader(text, named.end(), end.start() + 1 if end else len(text))
    options = text[end.end() :] if end else ""
    said = _DESCRIPTION.search(options)
    partition = _PARTITION.search(text)
    return Table(
        id=named.group(1),
        columns=tuple(reader.columns()),
        description=_plain(said.group(1)) if said else "",
        partition_by=partition.group(1) if partition and not partition.group(1).startswith("_PART") else None,
        tags=tuple(f"label:{k}={v}" for k, v in _LABELS.findall(options)),
    )


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), text)


class _Reader:
    """Goes once over the tokens of the column list."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._tokens: Iterator[str] = (m.group() for m in _TOKEN.finditer(text, start, end))
        self._now = next(self._tokens, "")

    def _take(self) -> str:
        token, self._now = self._now, next(self._tokens, "")
        return token

    def columns(self) -> Iterator[Column]:
        """Yield the table's columns."""
        if self._take() != "(":
            return
        while self._now not in {")", ""}:
            yield self._column()
            if self._now == ",":
                self._take()

    def _column(self) -> Column:
        name = self._take().strip("`")
        kind, mode, fields = self._type()
        description = ""
        while self._now not in {",", ")", ">", ""}:
            if self._take().upper() == "OPTIONS" and self._now == "(":
                description = self._options()
        return Column(name=name, type=kind, mode=mode, description=description, fields=fields)

    def _type(self) -> tuple[str, Mode, tuple[Column, ...]]:
        word = self._take().upper()
        if word == "ARRAY" and self._now == "<":
            self._take()
            kind, _, fields = self._type()
            self._drop(">")
            return kind, "REPEATED", fields
        if word == "STRUCT" and self._now == "<":
            self._take()
            inner: list[Column] = []
            while self._now not in {">", ""}:
                inner.append(self._column())
                self._drop(",")
            self._drop(">")
            return "STRUCT", "NULLABLE", tuple(inner)
        if self._now in {"(", "<"}:
            self._skip(self._now, ")" if self._now == "(" else ">")
        return word, "NULLABLE", ()

    def _drop(self, token: str) -> None:
        if self._now == token:
            self._take()

    def _skip(self, opening: str, closing: str) -> None:
        depth = 0
        while self._now:
            taken = self._take()
            depth += (taken == opening) - (taken == closing)
            if depth == 0:
                return

    def _options(self) -> str:
        """Return the description among a column's options; the tokens stand on the opening bracket."""
        depth, last, found = 0, ["", ""], ""
        while self._now:
            taken = self._take()
            depth += (taken == "(") - (taken == ")")
            if depth == 0:
                break
            if last == ["description", "="] and taken[0] in "\"'":
                found = _plain(taken[1:-1])
            last = [last[1], taken]
        return found
