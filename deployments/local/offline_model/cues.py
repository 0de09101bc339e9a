"""The question's form: time, grain, ranking, comparison, share, funnel, anomaly, follow-up; everything but its nouns.

Decides which kind of analysis the wording asks for and which characters that wording used up; what is left are the
nouns that must be found in the schema. Never looks at a schema. Each rule is one regular expression of plain English.
"""

import re
from dataclasses import dataclass
from datetime import date

from deployments.local.offline_model.amounts import Threshold, find_threshold
from deployments.local.offline_model.time_window import Window, find_windows
from deployments.local.offline_model.words import STOP, Token, number, tokens

_GRAINS = {
    "day": (
        r"\b(?:any|which|what|these|those) days\b(?! of)|\bdaily\b|\b(?:by|"
        r"per|each|every|for each|a) (?:calendar )?day\b(?! of)|\bday "
        r"by day\b|\bdays\b(?= (?:had|with|saw))|\bwhich day\b(?! of)"
    ),
    "week": (
        r"\b(?:from )?week to week\b|\bweekly\b|\b(?:by|per|each|every|"
        r"for each|a) (?:calendar )?week\b|\bweek by week\b|\bwhich weeks?\b|"
        r"\bweek over week\b"
    ),
    "month": (
        r"\b(?:from )?month to month\b|\bmonthly\b|\b(?:by|per|each|every|"
        r"for each|a) (?:calendar )?month\b|\bmonth by month\b|\b(?:which|"
        r"what) months?\b|\bmonth[- ]over[- ]month\b|\bmom\b"
    ),
    "quarter": (
        r"\bquarterly\b|\b(?:by|per|each|every|for each|a) (?:calendar "
        r")?quarter\b|\bquarter by quarter\b|\b(?:which|what) quarters?\b|"
        r"\bquarter[- ]over[- ]quarter\b|\bqoq\b"
    ),
    "year": (
        r"\byearly\b|\bannual(?:ly)?\b|\b(?:by|per|each|every|for each|"
        r"a) (?:calendar )?year\b|\b(?:which|what) years?\b"
    ),
}
_PARTS = {
    "weekday": (
        r"\b(?:by |per |each |which |what |on which |across |for each "
        r")*(?:day of the week|day of week|days of the week|weekdays?)\b"
    ),
    "hour": (
        r"\b(?:by |per |each |which |what |at which |across |for each "
        r")*(?:hour of the day|hour of day|hours? of the day|time of day|"
        r"hours?|hourly)\b"
    ),
}
_DESC = (
    r"top|fastest|steepest|best|highest|most|largest|biggest|greatest|"
    r"strongest|leading|maximum|longest|busiest|oldest|favou?rite|"
    r"best[- ]selling|best[- ]performing|most popular"
)
_ASC = (
    r"bottom|worst|lowest|least|smallest|fewest|weakest|slowest|poorest|"
    r"minimum|shortest|cheapest|quietest|worst[- ]selling|worst[- "
    r"]performing|least popular"
)
_N = r"(?P<n>\d{1,3}|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty)"
_RANKS = (
    (rf"\b(?P<w>{_DESC}|{_ASC}) {_N}\b", True),
    (rf"\b{_N} (?P<w>{_DESC}|{_ASC})\b", True),
    (rf"\b{_N} (?=\w+ (?:\w+ )?(?:with|by|that|which) the (?P<w>{_DESC}|{_ASC})\b)", True),
    (rf"\b(?:which|what|the) {_N} (?=\w[^.?!]*\b(?P<w>{_DESC}|{_ASC})\b)", True),
    (rf"\b(?:the )?(?P<w>{_DESC}|{_ASC})\b", False),
    (r"\b(?:ranked|rank|ranking|sorted)\b(?P<w>)", False),
)
_YEAR_AGO = (
    r"\b(?:than )?(?:the )?(?:same|corresponding) (?:period|quarter|"
    r"month|week|time|months|weeks)(?: of)?(?: in)?(?: the)? (?:last|"
    r"previous|prior|a) year(?: earlier| before| ago)?\b|\byear[- "
    r"]over[- ]year\b|\byear[- ]on[- ]year\b|\byoy\b|\ba year (?:ago|"
    r"earlier|before)\b|\bone year (?:ago|earlier|before)\b|\bthe "
    r"year before\b|\b(?:the )?(?:previous|prior) year\b"
)
_PERIOD_AGO = (
    r"\b(?:the )?(?:previous|prior|preceding) (?:one|period|quarter|"
    r"month|week|year|time)s?\b|\b(?:the )?(?:one|period|quarter|month|"
    r"week|\d+ \w+) before(?: that| it)?\b|\bthe (?:\w+ )?(?:\w+ )?before(?= "
    r"*\??$)"
)
_VERSUS = (
    r"\b(?:vs\.?|versus|compared? (?:to|with|against)|in comparison "
    r"(?:to|with)|compare|against|relative to|than|differ(?:ence|s)?(?: "
    r"between)?)\b"
)
_ANOMALY = (
    r"\b(?:anomal\w+|outliers?|unusual(?:ly)?|abnormal(?:ly)?|strange(?:ly)?|"
    r"odd|suspicious|broke|broken|went wrong|go wrong|wrong|affected|"
    r"incident|unexpected(?:ly)?|out of the ordinary|outages?|sudden(?:ly)?|"
    r"irregular\w*|stands? out|stood out|sharp(?:ly|est)?|collapsed?|"
    r"plummet\w*|crash(?:ed)?)\b"
)
_DROP = (
    r"\b(?:drop(?:ped|s)?|dips?|dipped|fall|fell|fallen|declined?|"
    r"decrease[ds]?|outages?|collapse[ds]?|slump(?:ed)?|plunge[ds]?|"
    r"plummet\w*|crash(?:ed)?|low)\b"
)
_SPIKE = r"\b(?:spikes?|spiked|jump(?:ed|s)?|peaks?|peaked|surge[ds]?|rise|rose|increase[ds]?|high)\b"
_FUNNEL = (
    r"\bfunnel\b|\bdrop(?:ped|s)?[- ]?(?:off|out)s?\b|\bconversion "
    r"(?:steps?|stages?)\b|\bstep[- ]by[- ]step\b|\beach step\b|\b(?:every|"
    r"which) (?:step|stage)\b"
)
_SHARE = (
    r"\b(?:shares?|percentages?|percent|proportion|fraction|pct|split|"
    r"mix|makes? up|breakdown|contribution|what part)\b|%"
)
_GROWTH = (
    r"\b(?:growth|grow|grew|growing|grown|change[ds]?|increase[ds]?|"
    r"decrease[ds]?|declined?|develop(?:ed|ment)?|rate of change)\b"
)
_TREND = (
    r"\b(?:trends?|over time|develop(?:ed|s|ment|ing)?|evol\w+|history|"
    r"historical(?:ly)?|time series|progress\w*|over the (?:last|past|"
    r"years|months|course)|through(?:out)? the|run of|(?=how (?:has|"
    r"have)\b.*\bchanged))\b"
)
_AVERAGE = r"\b(?:average|averages|avg|mean|typical(?:ly)?|on average)\b|(?=\baov\b)"
_FOLLOW = (
    r"\b(?:(?:and |please |then )*(?:remind|tell|send|ask|repeat|rerun|"
    r"re-run|run|check|update|schedule|do|report|keep me posted|again|"
    r"follow up)\b[^.?!]{0,60}?)?\b(?P<when>(?:every|each) (?:mon|"
    r"tues|wednes|thurs|fri|satur|sun)days?(?: (?:morning|evening|"
    r"at \d{1,2}(?::\d\d)?(?: ?[ap]m)?))?|(?:every|each) (?:day|morning|"
    r"week|month|quarter|weekday|year)(?: on \w+)?(?: at \d{1,2}(?::\d\d)?(?: "
    r"?[ap]m)?)?|daily|weekly|monthly|quarterly|tomorrow|next (?:mon|"
    r"tues|wednes|thurs|fri|satur|sun)day|next (?:week|month|quarter)|"
    r"in (?:a|one|two|three|\d+) (?:days?|weeks?|months?))\b"
)
_ASKS_FOLLOW = (
    r"\b(?:remind|schedule|follow[- ]up|rerun|re-run|(?:run|repeat|"
    r"check|do) (?:it|this|that)|send (?:me|us|it|this)|keep me|let "
    r"me know|tell me again|update me|report (?:it|this|that|back))\b|"
    r"\bevery (?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
)

_IMPERATIVES = frozenset(
    ["view", "display", "list", "describe", "create", "provide", "compute", "order", "rank", "plot", "sum"]
)
_EXTREME_MOVE = re.compile(
    r"\b(?:biggest|largest|sharpest|strongest|steepest|greatest|worst|"
    r"most|heaviest)(?: \w+)? (?P<w>drops?|declines?|falls?|decreases?|"
    r"dips?|"
    r"slumps?|losses|spikes?|jumps?|increases?|rises?|surges?|growth|gains?)\b"
)
_EACH = (
    r"\b(?:by|per|each|every|for each) (?:day|week|month|quarter|year)\b|"
    r"\b(?:daily|weekly|monthly|quarterly|yearly)\b"
)
_PEAK_PERIOD = (
    r"\b(?:best|worst|busiest|slowest|quietest|top|biggest|strongest|"
    r"weakest|highest|lowest|single|record)(?:[ -]\w+)? "
    r"(?P<u>(?:day|week|month|quarter|year)s?)\b(?! of the week)"
)
_COUNT = (
    r"\bhow many\b|\bnumber of\b|\bcounts?\b|\bhow often\b|\bvolume of\b|\b(?:most|least|more|less) "
    r"(?:often|frequent(?:ly)?|common(?:ly)?|popular)\b|\bpopular\b|"
    r"\bfrequent\b|\bmost used\b|\bused (?:the )?most\b"
)
_FLAGS = {
    "share": _SHARE,
    "funnel": _FUNNEL,
    "growth": _GROWTH,
    "trend": _TREND,
    "cumulative": r"\bcumulative(?:ly)?\b|\brunning total\b",
}


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

    def stems(self, indexes: tuple[int, ...] | frozenset[int]) -> tuple[str, ...]:
        return tuple(self.words[i].stem for i in indexes)


def read_cues(question: str, anchor: date) -> Cues:
    """Read the form of a question; `anchor` is the day that relative windows count back from."""
    low = question.lower()
    spans: list[tuple[int, int]] = []
    follow = _follow_up(low, spans)
    masked = _mask(low, spans)
    ago = "year" if _take(_YEAR_AGO, masked, spans) else None
    masked = _mask(low, spans)
    windows = find_windows(masked, anchor)
    found = re.search(_PERIOD_AGO, masked) if len(windows) < 2 and ago is None else None
    if found and (_has_versus(masked) or not any(w.span[0] == found.start() for w in windows)):
        ago = _previous(windows, found, spans)
        windows = find_windows(_mask(low, spans), anchor)
    spans += [w.span for w in windows]
    windows, ago = _distinct(windows, ago)
    masked = _mask(low, spans)
    threshold = find_threshold(masked)
    spans += [threshold.span] if threshold else []
    masked = _mask(low, spans)
    part = next((p for p, rule in _PARTS.items() if _take(rule, masked, spans)), None)
    peak = re.search(_PEAK_PERIOD, _mask(low, spans))
    spans += [peak.span("u")] if peak else []
    grain = next(
        (g for g, rule in _GRAINS.items() if _take(rule, _mask(low, spans), spans)),
        peak["u"].removesuffix("s") if peak else None,
    )
    move = None if len(windows) > 1 or ago else _EXTREME_MOVE.search(_mask(low, spans))
    spans += [move.span()] if move else []
    rank = _rank(_mask(low, spans), spans)
    masked = _mask(low, spans)
    anomaly = _anomaly(masked, spans)
    if move:
        anomaly = (
            "drop" if re.match(_DROP, move["w"]) or move["w"] in ("losses", "decreases", "falls", "slumps") else "spike"
        )
    flags = {name: bool(_take(rule, masked, spans)) for name, rule in _FLAGS.items()}
    aggregate = _aggregate(masked, spans)
    words = tokens(question)
    content = _content(words, spans)
    return Cues(
        text=low, words=words, content=content, counted=_counted(low, words, content), windows=windows, grain=grain,
        part=part, rank=rank, ago=ago, anomaly=anomaly, versus=_has_versus(masked), follow_up=follow,
        threshold=threshold, aggregate=aggregate, each=bool(re.search(_EACH, low)),
        rate=bool(re.search(r"\brates?\b|\bratio\b", masked)),
        count=bool(re.search(_COUNT, low)), **flags,
    )  # fmt: skip


def _content(words: tuple[Token, ...], spans: list[tuple[int, int]]) -> tuple[int, ...]:
    """Positions of the words that carry meaning of their own."""
    return tuple(
        i for i, t in enumerate(words)
        if not _inside(t, spans) and (t.lower not in STOP or t.text == "US") and number(t.text) is None
        and not t.text.replace(".", "").isdigit() and not (i == 0 and t.lower in _IMPERATIVES)
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
    return bool(re.search(_VERSUS, text))


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
    for rule, counted in _RANKS:
        found = re.search(rule, text)
        if found and not (found["w"] in ("most", "least") and text[found.end() :].startswith(" recent")):
            n = number(found["n"]) if counted else None
            spans.append(found.span())
            spans.extend(m.span("w") for m in re.finditer(rule, text) if m["w"])
            ascending = bool(re.fullmatch(_ASC, found["w"])) if found["w"] else False
            return Rank(n, not ascending, found.span())
    return None


def _anomaly(text: str, spans: list[tuple[int, int]]) -> str | None:
    found = _take(_ANOMALY, text, spans)
    if not found and not re.search(r"\b(?:biggest|largest|sharpest|any|was there|were there)\b[^.?]*", text):
        return None
    drop, spike = re.search(_DROP, text), re.search(_SPIKE, text)
    if not found and not (drop or spike):
        return None
    spans.extend(m.span() for m in (drop, spike) if m)
    return "drop" if drop else "spike" if spike else "any"


def _aggregate(text: str, spans: list[tuple[int, int]]) -> str | None:
    for name, rule in (("median", r"\bmedian\b"), ("avg", _AVERAGE)):
        if _take(rule, text, spans):
            return name
    return None


def _follow_up(text: str, spans: list[tuple[int, int]]) -> str | None:
    """When the question asks to be repeated: the wording of the rhythm."""
    if not re.search(_ASKS_FOLLOW, text):
        return None
    found = None
    for match in re.finditer(_FOLLOW, text):
        found = match
    if found is None:
        return None
    spans.append(found.span())
    asks = re.search(_ASKS_FOLLOW, text)
    if asks:
        spans.append((min(asks.start(), found.start()), found.end()) if asks.start() < found.start() else asks.span())
    return found["when"]
