"""The question's form: time, grain, ranking, comparison, share, funnel, anomaly, follow-up; everything but its nouns.

Decides which kind of analysis the wording asks for and which characters that wording used up; what is left are the
nouns that must be found in the schema. Never looks at a schema. Each rule is one regular expression of plain English.
"""

import re
from dataclasses import dataclass
from datetime import date

from deployments.local.offline_model import cue_rules as rules
from deployments.local.offline_model.amounts import Threshold, find_threshold
from deployments.local.offline_model.time_window import Window, find_windows
from deployments.local.offline_model.words import STOP, Token, number, tokens


@dataclass(frozen=True)
class Rank:
    """A ranking: how many rows (None when the wording names no number) and which end."""

    n: int | None
    descending: bool
    span: tuple[int, int]


@dataclass(frozen=True)
class Cues:
    """What the wording says about the form of the analysis."""

    text: str
    words: tuple[Token, ...]
    content: tuple[int, ...]
    windows: tuple[Window, ...] = ()
    grain: str | None = None
    part: str | None = None
    rank: Rank | None = None
    versus: bool = False
    ago: str | None = None
    share: bool = False
    rate: bool = False
    funnel: bool = False
    anomaly: str | None = None
    growth: bool = False
    trend: bool = False
    aggregate: str | None = None
    count: bool = False
    cumulative: bool = False
    follow_up: str | None = None
    each: bool = False
    threshold: Threshold | None = None
    counted: tuple[int, ...] = ()
    active: frozenset[int] = frozenset()
    """Verbs with a subject before them (`we delivered`, `did orders ship`): no state of a thing."""
    single: bool = False
    """One period is asked for: `when did …`, `the date with …`, `our record day`."""

    def stems(self, indexes: tuple[int, ...] | frozenset[int]) -> tuple[str, ...]:
        return tuple(self.words[i].stem for i in indexes)


def read_cues(question: str, anchor: date) -> Cues:
    """Read the form of a question; `anchor` is the day that relative windows count back from."""
    low = question.lower()
    spans: list[tuple[int, int]] = []
    follow = _follow_up(low, spans)
    _take(rules.WHOLE, low, spans)
    _take(rules.COST_US, low, spans)
    masked = _mask(low, spans)
    if re.search(rules.EACH, masked):
        _take(rules.TO_PREVIOUS, masked, spans)
        masked = _mask(low, spans)
    ago = "year" if _take(rules.YEAR_AGO, masked, spans) else None
    masked = _mask(low, spans)
    windows = find_windows(masked, anchor)
    found = re.search(rules.PERIOD_AGO, masked) if len(windows) < 2 and ago is None else None
    if found and (_has_versus(masked) or not any(w.span[0] == found.start() for w in windows)):
        ago = _previous(windows, found, spans)
        windows = find_windows(_mask(low, spans), anchor)
    spans += [w.span for w in windows]
    windows, ago = _distinct(windows, ago)
    masked = _mask(low, spans)
    threshold = find_threshold(masked)
    spans += [threshold.span] if threshold else []
    masked = _mask(low, spans)
    part = next((p for p, rule in rules.PARTS.items() if _take(rule, masked, spans)), None)
    peak = re.search(rules.PEAK_PERIOD, _mask(low, spans)) or re.search(rules.PERIOD_WITH, _mask(low, spans))
    spans += [peak.span("u")] if peak else []
    dated = None if peak else re.search(rules.PEAK_DATE, _mask(low, spans))
    spans += [dated.span()] if dated else []
    grain = next(
        (g for g, rule in rules.GRAINS.items() if _take(rule, _mask(low, spans), spans)),
        peak["u"].removesuffix("s") if peak else "day" if dated else None,
    )
    move = None if len(windows) > 1 or ago else rules.EXTREME_MOVE.search(_mask(low, spans))
    spans += [move.span()] if move else []
    rank = _rank(_mask(low, spans), spans)
    masked = _mask(low, spans)
    anomaly = _anomaly(masked, spans)
    if move:
        anomaly = (
            "drop"
            if re.match(rules.DROP, move["w"]) or move["w"] in ("losses", "decreases", "falls", "slumps")
            else "spike"
        )
    flags = {name: bool(_take(rule, masked, spans)) for name, rule in rules.FLAGS.items()}
    aggregate = _aggregate(masked, spans)
    words = tokens(question)
    content = _content(words, spans)
    return Cues(
        text=low, words=words, content=content, counted=_counted(low, words, content), windows=windows, grain=grain,
        part=part, rank=rank, ago=ago, anomaly=anomaly, versus=_has_versus(masked), follow_up=follow,
        threshold=threshold, aggregate=aggregate, each=bool(re.search(rules.EACH, low)),
        rate=bool(re.search(r"\brates?\b|\bratio\b", masked)),
        count=bool(re.search(rules.COUNT, low)), active=_active(words, content),
        single=_is_single(dated, peak, low), **flags,
    )  # fmt: skip


def _content(words: tuple[Token, ...], spans: list[tuple[int, int]]) -> tuple[int, ...]:
    """Positions of the words that carry meaning of their own."""
    return tuple(
        i for i, t in enumerate(words)
        if not _inside(t, spans) and (t.lower not in STOP or t.text == "US") and number(t.text) is None
        and not t.text.replace(".", "").isdigit() and not (i == 0 and _commands(words))
    )  # fmt: skip


def _commands(words: tuple[Token, ...]) -> bool:
    """`List …`, `Rank …`, but not `Order count …`."""
    first, following = [*(t.lower for t in words[:2]), "", ""][:2]
    if first in ("order", "sum", "view", "rank", "plot"):
        return following in ("by", "the", "all", "up", "our", "every", "each", "them", "of")
    return first in rules.IMPERATIVES


def _active(words: tuple[Token, ...], content: tuple[int, ...]) -> frozenset[int]:
    subjects, auxiliaries = {"we", "they", "you", "i", "us"}, {"did", "do", "does"}
    return frozenset(
        i for i in content
        if any(t.lower in subjects for t in words[max(0, i - 1) : i])
        or (not words[i].lower.endswith(("ed", "ing", "s")) and any(t.lower in auxiliaries for t in words[:i]))
    )  # fmt: skip


def _counted(text: str, words: tuple[Token, ...], content: tuple[int, ...]) -> tuple[int, ...]:
    """The words after `how many`, `share of` and their kin: what is to be counted, nearest first."""
    found = re.search(
        (
            r"\b(?:how many|number of|count of|how much|shares? of|percent(?:age)? "
            r"of|part of|proportion of|volume of)\b"
        ),
        text,
    )
    if not found:
        return ()
    return tuple(i for i in content if words[i].start >= found.end())[:3]


def _previous(windows: tuple[Window, ...], found: re.Match[str], spans: list[tuple[int, int]]) -> str | None:
    if windows and all(w.span[0] <= found.start() < w.span[1] for w in windows):
        return None
    spans.append(found.span())
    return "period"


def _distinct(windows: tuple[Window, ...], ago: str | None) -> tuple[tuple[Window, ...], str | None]:
    """`last quarter` beside `the previous quarter` names two periods with words for one."""
    if len(windows) == 2 and (windows[0].start, windows[0].end) == (windows[1].start, windows[1].end):
        named = windows[0].relative and re.search(r"\b(?:previous|prior|preceding)\b", windows[1].label)
        return windows[:1], ago or ("period" if named else None)
    return windows, ago


def _has_versus(text: str) -> bool:
    return bool(re.search(rules.VERSUS, text))


def _inside(token: Token, spans: list[tuple[int, int]]) -> bool:
    return any(a <= token.start and token.end <= b for a, b in spans)


def _mask(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with used-up spans blanked, offsets kept."""
    out = list(text)
    for a, b in spans:
        out[a:b] = ["#" if i in (a, b - 1) else "_" for i in range(a, b)]
    return "".join(out)


def _take(rule: str, text: str, spans: list[tuple[int, int]]) -> re.Match[str] | None:
    found = re.search(rule, text)
    spans.extend(m.span() for m in re.finditer(rule, text))
    return found


def _rank(text: str, spans: list[tuple[int, int]]) -> Rank | None:
    for rule, counted in rules.RANKS:
        found = re.search(rule, text)
        if found and not (found["w"] in ("most", "least") and text[found.end() :].startswith(" recent")):
            tail = rules.TAIL.search(text)
            n = number(found["n"]) if counted else number(tail["n"]) if tail else None
            spans.append(found.span())
            spans.extend(m.span("w") for m in re.finditer(rule, text) if m["w"])
            ascending = bool(re.fullmatch(rules.ASC, found["w"])) if found["w"] else False
            return Rank(n, not ascending, _place_of(text, found))
    return None


def _is_single(dated: re.Match[str] | None, peak: re.Match[str] | None, text: str) -> bool:
    if peak and not peak["u"].endswith("s"):
        return True
    return bool(dated and (dated["v"] or dated["u"] == "date")) or bool(re.search(r"\brecord\b(?! of)", text))


def _place_of(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Where the ranked things are named: `most common pages in 2025, top 5` names them before the number."""
    if re.search(r"\w", text[found.end() :].replace("_", "").replace("#", "")):
        return found.span()
    before = re.search(rf"\b(?:{rules.DESC}|{rules.ASC})\b", text[: found.start()])
    return before.span() if before else found.span()


def _anomaly(text: str, spans: list[tuple[int, int]]) -> str | None:
    found = _take(rules.ANOMALY, text, spans)
    if not found and not re.search(r"\b(?:biggest|largest|sharpest|any|was there|were there)\b[^.?]*", text):
        return None
    drop, spike = re.search(rules.DROP, text), re.search(rules.SPIKE, text)
    if not found and not (drop or spike):
        return None
    spans.extend(m.span() for m in (drop, spike) if m)
    return "drop" if drop else "spike" if spike else "any"


def _aggregate(text: str, spans: list[tuple[int, int]]) -> str | None:
    for name, rule in (("median", r"\bmedian\b"), ("avg", rules.AVERAGE)):
        if _take(rule, text, spans):
            return name
    return None


def _follow_up(text: str, spans: list[tuple[int, int]]) -> str | None:
    """When the question asks to be repeated: the wording of the rhythm."""
    if not re.search(rules.ASKS_FOLLOW, text):
        return None
    found = None
    for match in re.finditer(rules.FOLLOW, text):
        found = match
    if found is None:
        return None
    spans.append(found.span())
    asks = re.search(rules.ASKS_FOLLOW, text)
    if asks:
        spans.append((min(asks.start(), found.start()), found.end()) if asks.start() < found.start() else asks.span())
    return found["when"]
