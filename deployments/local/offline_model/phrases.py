"""Which runs of words in a question name a grouping.

Decides from markers (`by`, `per`, `across`, `which`, `top 5 …`) where a grouping phrase stands and how sure that is.
Never looks at the schema: whether the phrase fits a column is for `matching`.
"""

import re
from dataclasses import dataclass

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.words import number, stems_of, word_set

_MARKERS = frozenset({"by", "per", "each", "every", "across", "among"})
_ASKING = frozenset({"which", "what"})
_SKIPPED = word_set(
    """the a an different our all of their its single one individual most least frequent common popular important
    visited viewed used ordered selling sold bought performing often frequently"""
)
_FORMS = stems_of("id ids identifier identifiers key keys code codes")
"""`by revenue, ids only` says how things are shown, not what they are grouped by."""
WHO = stems_of("customer client buyer user visitor shopper member people person patient")
"""`orders by returning customers` says whose; `orders by customer segment` says a grouping."""
_TOPLIKE = re.compile(
    r"\b(?:top|best|bottom|worst|leading|\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve)\b"
)


@dataclass(frozen=True)
class Phrase:
    """Word positions; `sure` when the wording leaves no other role than grouping."""

    words: tuple[int, ...]
    sure: bool
    marker: str


def find_phrases(cues: Cues) -> tuple[Phrase, ...]:
    """Grouping phrases in order; no word is in two of them."""
    found: list[Phrase] = []
    used: set[int] = set()
    for start, marker, sure in _starts(cues):
        for words in _runs(cues, start, used):
            if {cues.words[i].stem for i in words} <= _FORMS:
                continue
            who = len(words) > 1 and cues.words[words[-1]].stem in WHO
            found.append(Phrase(words, sure and not who, marker))
            used.update(words)
            if marker in _ASKING or marker == "rank":
                break
    return tuple(found)


def _starts(cues: Cues) -> list[tuple[int, str, bool]]:
    """Word position after each marker."""
    ranked = cues.rank is not None
    found: list[tuple[int, str, bool]] = []
    if cues.rank:
        after = next((i for i, t in enumerate(cues.words) if t.start >= cues.rank.span[1]), len(cues.words))
        head = _head_before(cues)
        after = after if head is None else head
        toplike = bool(_TOPLIKE.search(cues.text[slice(*cues.rank.span)]))
        if toplike or not any(t.lower in _ASKING for t in cues.words):
            found.append((after, "rank", toplike and cues.rank.n is not None))
    for i, token in enumerate(cues.words):
        if token.lower in _MARKERS:
            passive = i > 0 and cues.words[i - 1].lower.endswith(("ed", "made", "bought", "paid"))
            found.append((i + 1, token.lower, not ranked and not passive and token.lower != "per"))
        elif token.lower in _ASKING:
            found.append((i + 1, token.lower, False))
    return found


def _opens(cues: Cues, start: int) -> bool:
    """True for a grouping that opens the sentence: its comma ends it."""
    return bool(
        re.search(r"(?:^|[.?!] )\W*(?:for|in|on|at|per|by)(?: each| every)? *$", cues.text[: cues.words[start].start])
    )


def _head_before(cues: Cues) -> int | None:
    """`brands with the most orders`: the ranked things stand before, what follows is the measure."""
    assert cues.rank is not None
    found = re.search(
        r"((?:\w+ )?\w+) (?:with|having|that|who|which)(?: \w+)?(?: the)? *$", cues.text[: cues.rank.span[0]]
    )
    if not found:
        return None
    content = set(cues.content)
    return next((i for i, t in enumerate(cues.words) if i in content and t.start >= found.start()), None)


def _runs(cues: Cues, start: int, used: set[int]) -> list[tuple[int, ...]]:
    """Content words from `start` on; `and`, `or` and commas begin a new run, anything else ends the search."""
    runs: list[tuple[int, ...]] = []
    run: list[int] = []
    content = set(cues.content)
    for i in range(start, len(cues.words)):
        word = cues.words[i]
        gap = cues.text[cues.words[i - 1].end : word.start] if i > start else " "
        if re.search(r"[.;:?!]", gap):
            break
        if run and "," in gap and _opens(cues, start):
            break  # `For each country, revenue …`
        if run and "," in gap:
            runs.append(tuple(run))
            run = []
        if i in content and i not in used and not (word.lower in _SKIPPED and not run):
            run.append(i)
        elif word.lower in ("and", "or") and run:
            runs.append(tuple(run))
            run = []
        elif not ((word.lower in _SKIPPED or number(word.text) is not None) and not run):
            break
    return [*runs, tuple(run)] if run else runs
