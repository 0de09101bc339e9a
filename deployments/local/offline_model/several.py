"""Questions of several independent parts: one query for each, one plan for all, one answer.

Decides: where a question falls into parts (at words that join whole questions, never inside a list of columns), and
what each part sees of the conversation. Each part is read by the same planner as a question of its own; as soon as
one of them cannot be answered alone, the question is taken as a whole again. Pure, remembers nothing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

from deployments.local.offline_model.conversation import Call, Conversation, Exchange, Json
from deployments.local.offline_model.cues import read_cues

MOST = 8
"""Queries that a plan may have."""

_OPENING = re.compile(r"^\s*(?:please\s+)?(?:compare|show(?: me)?|give me|list|first)\b[,:]?\s+", re.I)
_THEN = re.compile(r"(?:[,;]\s*|\s+)(?:and\s+)?then\s+", re.I)
_ALSO = re.compile(r"(?:[,;]\s*|\s+)(?:and also|as well as|and besides|plus also)\s+|\s*;\s*(?:and\s+)?", re.I)
_AND = re.compile(r"(?:,\s*|\s+)and\s+", re.I)
_GROUPED = re.compile(r"(?<!^)\b(?:per|by|for each|for every|in each)\s+\w", re.I)
"""A grouping that stands behind what is grouped; a part that begins with it only adds to the one before."""

Planner = Callable[[Conversation], Call]


def split_question(question: str, today: date) -> tuple[tuple[str, ...], bool]:
    """Return the parts, one when there is nothing to split, and whether they are to run one after the other."""
    text = question.strip().rstrip(" ?.!")
    in_order = bool(_THEN.search(text))
    found = [p for also in _cut(text, _THEN) for p in _cut(also, _ALSO)]
    parts = [_OPENING.sub("", p) for whole in found for p in _joined_questions(whole)]
    if not 1 < len(parts) <= MOST or not all(p.strip() for p in parts):
        return (question,), False
    return _with_shared_period(parts, today), in_order


def _cut(text: str, joint: re.Pattern[str]) -> list[str]:
    return [p.strip(" ,") for p in joint.split(text)]


def _joined_questions(text: str) -> list[str]:
    """Cut at a plain `and` only where both sides say for themselves what they group by."""
    for found in _AND.finditer(text):
        left, right = text[: found.start()].strip(), text[found.end() :].strip()
        if _GROUPED.search(left) and _GROUPED.search(right):
            return [left, *_joined_questions(right)]
    return [text]


def _with_shared_period(parts: Sequence[str], today: date) -> tuple[str, ...]:
    """A period at the very beginning, or at the very end, is that of the parts that have none."""
    windows = [read_cues(p, today).windows for p in parts]
    last, first = windows[-1], windows[0]
    shared = ""
    if len(last) == 1 and last[0].span[1] >= len(parts[-1].rstrip()):
        shared = parts[-1][slice(*last[0].span)]
    elif len(first) == 1 and first[0].span[0] == 0:
        shared = parts[0][slice(*first[0].span)]
    return tuple(p if w or not shared else f"{p} {shared}" for p, w in zip(parts, windows, strict=True))


def next_call_for_parts(conversation: Conversation, planner: Planner) -> Call | None:
    """Return the next call for a question of several parts; None when it must be taken as a whole."""
    parts, in_order = split_question(conversation.question, conversation.today)
    if len(parts) < 2:
        return None
    wanted = [planner(_part(conversation, text, number)) for number, text in enumerate(parts, 1)]
    if any(call.tool == "give_up" for call in wanted):
        return None
    looking = next((call for call in wanted if call.tool not in {"propose_plan", "write_answer"}), None)
    if looking is not None:
        return looking
    if all(call.tool == "write_answer" for call in wanted):
        return Call("write_answer", _one_answer([call.arguments for call in wanted]))
    if all(call.tool == "propose_plan" for call in wanted):
        return Call("propose_plan", _one_plan([call.arguments for call in wanted], in_order))
    return None


def _part(conversation: Conversation, text: str, number: int) -> Conversation:
    """The conversation as if only this part had been asked; nobody is asked back about a part."""
    seen = (_seen_by(e, f"q{number}") for e in conversation.exchanges if e.tool not in _WHOLE)
    tools = {name: tool for name, tool in conversation.tools.items() if name not in _WHOLE}
    return replace(conversation, question=text, exchanges=tuple(e for e in seen if e is not None), tools=tools)


_WHOLE = frozenset({"ask_user", "schedule_follow_up"})
"""Tools that are about the whole question."""


def _seen_by(exchange: Exchange, query: str) -> Exchange | None:
    """The exchange as the part of this query sees it; None when it is only about other parts."""
    if exchange.tool != "propose_plan":
        return exchange
    queries = [{**q, "id": "q1"} for q in exchange.arguments.get("queries") or [] if q.get("id") == query]
    if not queries or not (exchange.ok or _concerns(exchange.error, query)):
        return None
    return replace(exchange, arguments={**exchange.arguments, "queries": queries}, result=_result(exchange, query))


def _concerns(error: Json, query: str) -> bool:
    findings = [f for f in error.get("findings") or [] if isinstance(f, dict)]
    named = {str(f.get("query")) for f in findings if f.get("query")} | {str(q) for q in (error.get("query"),) if q}
    return not named or query in named


def _result(exchange: Exchange, query: str) -> Json | None:
    if not exchange.result:
        return exchange.result
    if not exchange.ok:
        findings = [f for f in exchange.error.get("findings") or [] if f.get("query", query) == query]
        return {**exchange.result, "error": {**exchange.error, **({"findings": findings} if findings else {})}}
    mine = [r for r in exchange.data.get("results") or [] if r.get("query") == query]
    return {**exchange.result, "data": {**exchange.data, "results": mine}}


def _one_plan(plans: Sequence[Json], in_order: bool) -> Json:
    queries = [{**q, "id": f"q{n}"} for n, plan in enumerate(plans, 1) for q in plan["queries"]]
    reasons = [f"q{n}: {plan['rationale']}" for n, plan in enumerate(plans, 1)]
    return {"queries": queries, "rationale": " ".join(reasons)[:2000], "side_by_side": not in_order}


def _one_answer(answers: Sequence[Json]) -> Json:
    """The sentences of all parts in their order; what is said of all of them stands once, at the end."""
    said = [str(a["summary"]) for a in answers]
    tail = _common_end(said)
    summary = " ".join([*(s[: len(s) - len(tail)].strip() for s in said), tail.strip()]).strip()
    charts = [a["chart"] for a in answers]
    citations = [c for a in answers for c in a["citations"] if c["figure"] in summary]
    chart = next((c for c in charts if c["kind"] != "none"), charts[0])
    return {"summary": summary[:5_500], "chart": chart, "citations": citations[:200]}


def _common_end(texts: Sequence[str]) -> str:
    """The sentences with which all texts end."""
    sentences = [re.split(r"(?<=[.!?]) ", t) for t in texts]
    common: list[str] = []
    while all(len(s) > len(common) for s in sentences) and len({s[-1 - len(common)] for s in sentences}) == 1:
        common.insert(0, sentences[0][-1 - len(common)])
    return " ".join(common)
