"""Questions that are turned away whatever the tables hold: changes to data, people's private data, tricks, forecasts.

Decides from the wording alone and gives the reason in one sentence. Never the last line of defence: the gate refuses
such SQL anyway; this only keeps the planner from trying. Words inside tool results are never looked at here.
"""

import re

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.matching import hit
from deployments.local.offline_model.schema_view import Schema
from deployments.local.offline_model.words import alike

_ASKING = (
    r"(?:^|[.;:!?,]\s*|\b(?:please|and|then|now|to|you|just|also|could|"
    r"must|should|let's|lets|i want to|go)\s+)"
)
_CHANGE = re.compile(
    _ASKING + r"(?:delete|truncate|erase|wipe|purge|insert|overwrite|alter|grant|"
    r"revoke|rename|upsert|modify|edit|"
    r"anonymi[sz]e|backfill|"
    r"(?:cancel|refund|undo|correct|fix|close|reset)\s+(?:the|all|"
    r"every|this|that|these|those|my|order|orders|customer|duplicate)\b|"
    r"drop\s+(?:the\s+|all\s+|a\s+|every\s+|my\s+|our\s+)?(?:\w+\s+)?(?:tables?|"
    r"views?|columns?|schemas?|datasets?|databases?|partitions?|rows?|"
    r"records?|data)|"
    r"drop\s+(?:\w+\.)+\w+|"
    r"remove\s+(?:all|every|the|these|any|duplicate|old)\b|update\s+(?:the\s+|"
    r"all\s+|every\s+|our\s+)?\w+.*\b(?:to|set|with|by|=)|"
    r"set\s+(?:the\s+|all\s+|every\s+)?\w+.*\b(?:to|=)\s*|change\s+(?!in\b|of\b|from\b|by\b|over\b|between\b)(?:the\s+|all\s+|every\s+)?\w+.*\bto\b|"
    r"(?:create|make|build|add)\s+(?:a\s+|an\s+|the\s+|new\s+)*(?:temp\w*\s+)?(?:\w+\s+)?(?:tables?|"
    r"views?|columns?|indexe?s?|models?|functions?|users?|datasets?|"
    r"procedures?|rows?|records?)\b|"
    r"(?:mark|flag)\s+(?:the\s+|all\s+|every\s+)|raise\s+(?:the\s+|"
    r"all\s+|every\s+|our\s+)?\w*\s*prices?|lower\s+(?:the\s+|all\s+|"
    r"our\s+)\w*\s*prices?|"
    r"(?:export|copy|upload|write|load|import|e-?mail|send|post)\s+(?:\w+\s+){0,6}(?:to|"
    r"into|from)\s+(?:a\s+|the\s+|my\s+|this\s+)?(?:bucket|gcs|file|"
    r"csv|table|external|server|url|http|ftp|drive|s3|gs:|outside)\b)",
    re.I,
)
_SQL = re.compile(
    (
        r"\b(?:select\s+.+\s+from\s|drop\s+table|insert\s+into|delete\s+from|"
        r"update\s+\w[\w.]*\s+set|union\s+(?:all\s+)?select|information_schema|"
        r"execute\s+immediate|external_query|truncate\s+table|create\s+(?:or\s+replace\s+)?(?:table|"
        r"function|model|view))\b|;\s*--|'\s*or\s*'?1"
    ),
    re.I | re.S,
)
_TRICK = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|circumvent|skip|"
    r"disable|turn off|evade|get around)\b[^.?!]{0,50}\b(?:instruction|"
    r"rule|polic|gate|approval|prompt|limit|restriction|check|guard|"
    r"previous|above|safety|permission)\w*|"
    r"\bsystem prompt\b|\byour (?:instructions|prompt|rules)\b|\b(?:pretend|"
    r"act as|you are now|role ?play|jailbreak|developer mode|admin "
    r"mode|as (?:an )?admin(?:istrator)?)\b|"
    r"\b(?:without|no) (?:asking|approval|permission|review)\b|\b(?:api|"
    r"secret|private|access) keys?\b|\bpasswords?\b|\bcredentials?\b|"
    r"\b(?:environment variables?|/etc/|service account)\b|\balready "
    r"approved\b|\bpre-?approved\b|\bapprove (?:it|this|the)\b",
    re.I,
)
_PERSONAL = re.compile(
    r"\be-?mails\b|\be-?mail (?:address(?:es)?|list)\b|\be-?mail (?:of|"
    r"for|and|or|,)\s|\b(?:phone|telephone|mobile|cell) numbers?\b|"
    r"\b(?:and|or|their|customers?'?) phones\b|"
    r"\b(?:full|first|last|real|sur) ?names?\b|\bsurnames?\b|\bnames? "
    r"(?:and|or|of) (?:the |our |all |each |every |those |these )?(?:\w+ "
    r"){0,3}(?:customers?|clients?|buyers?|users?|people|persons?|"
    r"shoppers?|patients?|members?|visitors?|employees?|readers?|address\w*|"
    r"e-?mails?|phones?)\b|"
    r"\b(?:customer|client|user|buyer|patient|member|people)(?:'?s'?)? "
    r"names?\b|\bnames? and (?:contact|e-?mail|phone|address)|\bcontact "
    r"(?:details|information|info|data|list)\b|\bphone\b|\bhow old\b|"
    r"\b(?:birth ?dates?|birthdays?|dates? of birth|born)\b|\b(?:home|"
    r"street|postal|shipping|delivery|mailing|billing) address(?:es)?\b|"
    r"\bwhere (?:do|does|did) .{1,30} live\b|\bpost ?codes?\b|\bzip "
    r"?codes?\b|"
    r"\b(?:credit|debit|payment) ?cards? (?:number|digit|detail)\w*|"
    r"\bcard numbers?\b|\blast (?:four|4)\b|\bip address(?:es)?\b|"
    r"\bips\b|\bssns?\b|\bsocial security\b|\bpassports?\b|\bpersonal "
    r"(?:data|information|details)\b|\bpii\b|"
    r"\bages?\b(?! of the)",
    re.I,
)
_FORECAST = re.compile(
    r"\b(?:forecast|predict|projection|project(?:ed)? (?:revenue|sales|"
r"orders)|expected? (?:next|in the future)|next (?:month|quarter|"
r"year|week|summer|winter|christmas|black friday)|"
    r"tomorrow|will (?:be|we|our|the|it|there)|going to (?:be|sell|"
r"grow)|in the future|simulate|what if)\b", re.I
)  # fmt: skip
_ADVICE = re.compile(
    (
        r"\b(?:should (?:we|i|they)|recommend|advice|advise|what do you "
        r"think|opinion|suggest)\b"
    ),
    re.I,
)
_WHY = re.compile(r"^\s*why\b|\bexplain why\b|\bwhat(?: has| is)? caused?\b", re.I)


def refusal(question: str, cues: Cues) -> str | None:
    """The reason for not trying, or None."""
    if _TRICK.search(question):
        return (
            "The question asks to get around the rules that every query here is held to; they cannot be switched off."
        )
    if _CHANGE.search(question):
        return "The question asks to change or move data. Only reading is possible here, so nothing was done."
    if _SQL.search(question):
        return "The question contains SQL. Ask in plain words what should be found out; the query is written from that."
    if _PERSONAL.search(question):
        return "The question asks for personal data of individual people, which is restricted and must not be read."
    asks_later = cues.follow_up is not None
    if not asks_later and _FORECAST.search(question):
        return "The question is about the future. The tables hold what has happened, and no forecast is made from them."
    if _ADVICE.search(question):
        return "The question asks for advice or an opinion. Figures can be given, a recommendation cannot."
    if _WHY.search(question) and len(re.findall(r"[.?!](?=\s+\w)", question)) == 0:
        return ("The tables show what happened, not why. Ask for the figures "
"by time, region, channel or another "
                "column to see where a change came from.")  # fmt: skip
    return None


def restricted_words(cues: Cues, uncovered: tuple[int, ...], schema: Schema) -> tuple[str, ...]:
    """Unexplained words of the question that name a restricted column."""
    found: list[str] = []
    for index in uncovered:
        word = cues.words[index].stem
        names = [name.rsplit(".", 1)[-1] for table in schema.tables for name, _ in table.restricted]
        if any(hit(word, frozenset(alike(part)) | {part}) for name in names for part in name.lower().split("_")):
            found.append(cues.words[index].text)
    return tuple(found)
