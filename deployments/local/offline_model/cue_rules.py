"""The regular expressions by which a question's form is read: plain English, no schema.

Decides nothing by itself; `cues` applies them in order and notes which characters each one used up.
"""

import re

GRAINS = {
    "day": (
        r"\bany (?:single )?days?\b(?! of (?:the|a)\b)|\b(?:which|what|these|those|(?:find|list|show|see"
        r"|name)(?: me| us)? (?:the|all)(?: single)?) days\b(?! of)|\bwhat day\b(?! of)|\bdaily\b|\b(?:by|"
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
PARTS = {
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
DESC = (
    r"best[- ]selling|best[- ]performing|most popular|top[- ]selling|top[- ]performing|top|fastest|steepest"
    r"|best|highest|most|largest|biggest|greatest|"
    r"strongest|leading|maximum|longest|busiest|oldest|favou?rite|record|peak|"
    r"best[- ]selling|best[- ]performing|most popular"
)
ASC = (
    r"worst[- ]selling|worst[- ]performing|bottom|worst|lowest|least|smallest|fewest|weakest|slowest|poorest|"
    r"minimum|shortest|cheapest|quietest|worst[- ]selling|worst[- "
    r"]performing|least popular"
)
N = r"(?P<n>\d{1,3}|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty)"
RANKS = (
    (rf"\b(?P<w>{DESC}|{ASC}) {N}\b", True),
    (rf"\b{N} (?P<w>{DESC}|{ASC})\b", True),
    (rf"\b{N} (?=\w+ (?:\w+ )?(?:with|by|that|which) the (?P<w>{DESC}|{ASC})\b)", True),
    (rf"\b(?:which|what|the|our|list|show|give me) {N} (?=\w[^.?!]*\b(?P<w>{DESC}|{ASC})\b)", True),
    (rf"^\W*{N} (?!(?:day|week|month|quarter|year)s?\b)(?=\w[^.?!]*\b(?P<w>{DESC}|{ASC})\b)", True),
    (rf"\b(?:the )?(?P<w>{DESC}|{ASC})\b", False),
    (r"\b(?:ranked|rank|ranking|sorted)\b(?P<w>)", False),
)
YEAR_AGO = (
    r"\b(?:than )?(?:the )?(?:same|corresponding) (?:period|quarter|"
    r"month|week|time|months|weeks)(?: of)?(?: in)?(?: the)? (?:last|"
    r"previous|prior|a) year(?: earlier| before| ago)?\b|\byear[- "
    r"]over[- ]year\b|\byear[- ]on[- ]year\b|\byoy\b|\ba year (?:ago|"
    r"earlier|before)\b|\bone year (?:ago|earlier|before)\b|\bthe "
    r"year before\b|\b(?:the )?(?:previous|prior) year\b"
)
PERIOD_AGO = (
    r"\b(?:the )?(?:previous|prior|preceding) (?:one|period|quarter|"
    r"month|week|year|time)s?\b|\b(?:the )?(?:one|period|quarter|month|"
    r"week|\d+ \w+) before(?: that| it)?\b|\bthe (?:\w+ )?(?:\w+ )?before(?= "
    r"*\??$)"
)
VERSUS = (
    r"\b(?:vs\.?|versus|compared? (?:to|with|against)|in comparison "
    r"(?:to|with)|compare|against|relative to|than|differ(?:ence|s)?(?: "
    r"between)?)\b"
)
ANOMALY = (
    r"\b(?:anomal\w+|outliers?|unusual(?:ly)?|abnormal(?:ly)?|strange(?:ly)?|"
    r"odd|suspicious|broke|broken|went wrong|go wrong|wrong|affected|"
    r"incident|unexpected(?:ly)?|out of the ordinary|outages?|sudden(?:ly)?|"
    r"irregular\w*|stands? out|stood out|sharp(?:ly|est)?|collapsed?|"
    r"plummet\w*|crash(?:ed)?)\b"
)
DROP = (
    r"\b(?:drop(?:ped|s)?|dips?|dipped|fall|fell|fallen|declined?|"
    r"decrease[ds]?|outages?|collapse[ds]?|slump(?:ed)?|plunge[ds]?|"
    r"plummet\w*|crash(?:ed)?|low|few(?:er)?)\b"
)
SPIKE = r"\b(?:spikes?|spiked|jump(?:ed|s)?|peaks?|peaked|surge[ds]?|rise|rose|increase[ds]?|high)\b"
FUNNEL = (
    r"\bfunnel\b|\bdrop(?:ped|s)?[- ]?(?:off|out)s?\b|\bconversion "
    r"(?:steps?|stages?)\b|\bstep[- ]by[- ]step\b|"
    r"\b(?:each|every|which|per|by|all|the) (?:\w+ )?(?:steps?|stages?)\b(?: of)?"
)
SHARE = (
    r"\b(?:shares?|percentages?|percent|proportions?|fractions?|pct|split(?! by)|portions?|mix|makes? up|breakdown|"
    r"contribut(?:es?|ed|ions?)|(?:what|which|(?:big|large|high|great) an?) part|part of (?:all|the|our|total)|"
    r"parts of|accounts? for|distribut(?:ed|ion))\b|%"
)
GROWTH = (
    r"\b(?:growth|grow|grew|growing|grown|change[ds]?|increase[ds]?|"
    r"decrease[ds]?|declined?|develop(?:ed|ment)?|rate of change|fall|fell|fallen|rise|rose|risen|shr[iau]nk|"
    r"(?:go|went|gone|going) (?:up|down)|climb(?:ed)?|drop(?:ped)?)\b"
)
TREND = (
    r"\b(?:trends?|over time|develop(?:ed|s|ment|ing)?|evol\w+|history|"
    r"historical(?:ly)?|time series|progress\w*|over the (?:last|past|"
    r"years|months|course)|through(?:out)? the|run of|(?=how (?:has|"
    r"have)\b.*\bchanged))\b"
)
AVERAGE = r"\b(?:average|averages|avg|mean|typical(?:ly)?|on average)\b|(?=\baov\b)"
FOLLOW = (
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
ASKS_FOLLOW = (
    r"\b(?:remind|schedule|follow[- ]up|rerun|re-run|(?:run|repeat|"
    r"check|do) (?:it|this|that)|send (?:me|us|it|this)|keep me|let "
    r"me know|tell me again|update me|report (?:it|this|that|back))\b|"
    r"\bevery (?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
)

TAIL = re.compile(rf"(?:,|[.?!]) *(?:just |only )?{N}(?: of (?:them|these|those)| \w+)?(?: only| please)?\W*$")
"""How many, said at the end: `the most visited pages, five of them`."""
IMPERATIVES = frozenset(
    ["view", "display", "list", "describe", "create", "provide", "compute", "order", "rank", "plot", "sum"]
)
EXTREME_MOVE = re.compile(
    r"\b(?:biggest|largest|sharpest|strongest|steepest|greatest|worst|"
    r"most|heaviest)(?: \w+)? (?P<w>drops?|declines?|falls?|decreases?|"
    r"dips?|"
    r"slumps?|losses|spikes?|jumps?|increases?|rises?|surges?|growth|gains?)\b"
)
PEAK_DATE = (
    r"\b(?:(?:on )?(?:which|what)(?: is| was)?(?: the| our)?|the|our) (?P<u>dates?)\b(?=[^.?!]*\b(?:highest"
    r"|best|lowest|"
    r"most|biggest|largest|record|worst|peak\w*)\b)|^\W*(?P<v>date|when)\b(?=[^.?!]*\b(?:highest|best|lowest|"
    r"most|biggest|largest|record|worst|peak\w*)\b)"
)
"""`the date with the highest …`, `when did we … most`: single days in order of a measure."""
WHOLE = (
    r"\b(?:since|from) (?:the )?(?:(?:very )?(?:beginning|start|launch|opening|first day|day one)\b(?! of (?:20|q|h|jan"
    r"|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))|we (?:launched|started|opened)\b)|\b(?:all"
    r"|life)[- ]?time\b|\bat least once\b|\bof all time\b"
    r"|\b(?:over|across|for|in) (?:the )?(?:whole|entire|full|complete|all) (?:\w+ )?(?:history|period|time"
    r"|data(?: set)?)\b"
)
"""Everything that the data holds: no window at all."""
EACH = (
    r"\b(?:by|per|each|every|for each) (?:day|week|month|quarter|year)\b|"
    r"\b(?:daily|weekly|monthly|quarterly|yearly)\b"
)
PEAK_PERIOD = (
    r"\b(?:best|worst|busiest|slowest|quietest|top|biggest|strongest|"
    r"weakest|highest|lowest|single|record)(?:[ -]\w+)? "
    r"(?P<u>(?:day|week|month|quarter|year)s?)\b(?! of the week)"
)
TO_PREVIOUS = (
    r"\b(?:to|against|from|over|vs\.?|versus|than|on|compared (?:to|with)|relative to) (?:the|each|its|that of the)? ?"
    r"(?:previous|prior|preceding|last) (?:day|week|month|quarter|year|one|period)s?\b"
    r"|\b(?:to|against|from|over|vs\.?|versus|than) the (?:day|week|month|quarter|year|one) before\b"
)
"""In a series (`monthly …`), what each period is compared with: no window."""
COST_US = r"\bcosts? (?:us|the shop|the company|the business)\b|\bset us back\b"
"""A light verb, no cost."""
PERIOD_WITH = (
    r"(?:\b(?:the|a|our|which|what) |^\W*)(?P<u>(?:day|week|month|quarter|year)s?)\b"
    r"(?= (?:with|when|that|on which|in which|where|had|saw|brought)\b[^.?!]*\b(?:most|least|highest|lowest"
    r"|best|worst)\b)"
)
COUNT = (
    r"\bhow many\b|\bnumber of\b|\bcounts?\b|\bhow often\b|\bvolume of\b|\b(?:most|least|more|less) "
    r"(?:often|frequent(?:ly)?|common(?:ly)?|popular)\b|\bpopular\b|"
    r"\bfrequent\b|\bmost[- ](?!sold|delivered)(?:\w+ed|seen|taken|chosen)\b|"
    r"\b(?:used|chosen|\w+ed) (?:the )?most(?=\W*$)"
)
FLAGS = {
    "share": SHARE,
    "funnel": FUNNEL,
    "growth": GROWTH,
    "trend": TREND,
    "cumulative": r"\bcumulative(?:ly)?\b|\brunning total\b",
}
