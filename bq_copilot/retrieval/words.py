"""How names and questions become the words that the index compares.

Decides where a name is split (`trafficSource`, `ga_sessions_20170101`, `PM25`), which words of a question say nothing
about tables, and which neighbours are also tried as one word ("stack overflow" for `stackoverflow`). It knows no
catalog and no question; endings are left to the index's stemmer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_EDGE = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_WORD = re.compile(r"[^\W\d_]+|\d+")

MAX_QUERY_WORDS = 120
"""Words of a question that are looked up; what follows is context that says the same again."""

_SILENT = """
    a an and any are as at be by can could did do does each for from give has have how i if in into is it its
    me more most much of on one only or out over per please than that the their them there these they this those to
    use used using want was were what when where which while who whose why will with within would you your we our us
    show tell find list provide identify calculate determine compute retrieve return get report compare explain
    data dataset table tables database query queries question answer bigquery
    number total highest lowest average following based also between both including include considering consider
    excluding first last top many between during compared
"""
SILENT = frozenset(_SILENT.split())
"""Words that stand in most questions, whatever table they are about."""


def split(name: str) -> list[str]:
    """Return the words of a name or text in lower case, digits apart from letters."""
    return [w.lower() for w in _WORD.findall(_EDGE.sub(" ", _CAMEL.sub(" ", name)))]


def query_words(question: str) -> list[str]:
    """Return the words of a question that may name a table, each once, in order."""
    words = split(question)
    telling = [w for w in words if w not in SILENT and (len(w) > 1 or w.isdigit())]
    return list(dict.fromkeys([*telling, *_joined(words)]))[:MAX_QUERY_WORDS]


def _joined(words: Iterable[str]) -> list[str]:
    """Neighbours as one word: names are often written together where people write them apart."""
    return [a + b for a, b in pairwise(words) if a.isalpha() and b.isalpha() and not {a, b} & SILENT and len(a + b) > 5]


def numbers(text: str) -> frozenset[str]:
    """Return the numbers of a question; a year also by its last two digits, as table names often have it."""
    found = set(re.findall(r"\d+", text))
    return frozenset(found | {n[-2:] for n in found if len(n) == 4})
