"""From a whole conversation to the one next tool call; pure, so the same messages always give the same call.

Decides the order of work: turn away, list tables, describe the likely ones, look up values or the last day of
data where the question needs it, ask back once, propose, repair, answer. Never calls a tool that the request
does not offer, never proposes a reading that leaves a word of the question unexplained. What it needs to
remember is in the messages.
"""

from dataclasses import dataclass

from deployments.local.offline_model.ambiguity import Question, open_question, with_answer
from deployments.local.offline_model.answer_writer import write_answer
from deployments.local.offline_model.conversation import Call, Conversation, Json
from deployments.local.offline_model.cues import Cues, read_cues
from deployments.local.offline_model.explore import anchor_of, next_description, next_profile, outside
from deployments.local.offline_model.intent import interpret
from deployments.local.offline_model.plan_text import plan_arguments
from deployments.local.offline_model.reading import Reading
from deployments.local.offline_model.refusals import refusal, restricted_words
from deployments.local.offline_model.repair import MAX_REPAIRS, blocked_columns, repaired_sql
from deployments.local.offline_model.schema_view import Schema, read_schema
from deployments.local.offline_model.several import next_call_for_parts

NOTICE = "Offline model (rule-based planner), not a language model."
MAX_TURNS = 40


@dataclass(frozen=True)
class Turn:
    """What the planner works with in one turn."""

    conversation: Conversation
    schema: Schema
    cues: Cues
    readings: list[Reading]

    @property
    def best(self) -> Reading | None:
        return self.readings[0] if self.readings else None


def next_call(conversation: Conversation) -> Call:
    """The next tool call for this conversation."""
    wanted = _wanted_for_parts(conversation) or _wanted(conversation)
    if conversation.offers(wanted.tool):
        return wanted
    return _instead(conversation, wanted)


def _wanted_for_parts(conversation: Conversation) -> Call | None:
    """The next call for a question of several independent parts; None for any other, and for what is about all."""
    results = conversation.results()
    follows = bool(results) and conversation.offers("schedule_follow_up") and _follow_up(conversation) is not None
    if follows or conversation.answered("write_answer"):
        return None
    if refusal(conversation.question, read_cues(conversation.question, conversation.today)):
        return None
    if not conversation.answered("list_tables") and not results:
        return None
    return next_call_for_parts(conversation, _wanted)


def _wanted(conversation: Conversation) -> Call:
    if conversation.answered("write_answer") and conversation.offers("schedule_follow_up"):
        return _follow_up(conversation) or _give_up("The answer is written; nothing is left to do.")
    results = conversation.results()
    if results:
        return _answer(conversation, results)
    cues = read_cues(_text(conversation), conversation.today)
    reason = refusal(conversation.question, cues)
    if reason or not conversation.question:
        return _give_up(reason or "There is no question to answer.")
    if len(conversation.exchanges) >= MAX_TURNS:
        return _give_up("The question could not be answered within the planner's number of steps.")
    if not conversation.answered("list_tables"):
        return Call("list_tables", {"search": ""})
    return _explore(read_turn(conversation))


def _text(conversation: Conversation) -> str:
    """The question with the answers to questions asked back."""
    text = conversation.question.rstrip(" ?.!")
    for exchange in conversation.answered("ask_user"):
        answer = str(exchange.data.get("answer", "")).strip()
        text = with_answer(text, str(exchange.arguments.get("question", "")), answer, conversation.today)
    return text


def read_turn(conversation: Conversation) -> Turn:
    """Interpret the conversation with everything known so far."""
    schema = read_schema(conversation)
    blocked = blocked_columns(conversation, schema)
    text = _text(conversation)
    cues = read_cues(text, conversation.today)
    readings = interpret(cues, schema, blocked)
    anchor = anchor_of(readings[0].table, conversation.today) if readings else None
    if anchor and anchor != conversation.today and cues.windows:
        cues = read_cues(text, anchor)
        readings = interpret(cues, schema, blocked)
    return Turn(conversation, schema, cues, readings)


def _explore(turn: Turn) -> Call:
    best, conversation = turn.best, turn.conversation
    asked = bool(conversation.of("ask_user"))
    question = None if asked and best and not best.uncovered else open_question(turn.cues, turn.schema, turn.readings)
    complete = best is not None and not best.uncovered and question is None
    described = next_description(turn.schema, turn.cues, conversation, best, complete)
    if described:
        return described_call(described)
    if turn.schema.truncated and len(conversation.of("list_tables")) == 1 and not complete:
        return Call("list_tables", {"search": _search_words(turn.cues)})
    if question and question.options and not asked and conversation.offers("ask_user"):
        return Call("ask_user", {"question": question.text, "options": list(question.options)})
    if question and question.options:
        return _assume(turn, question)
    column = next_profile(turn.schema, turn.cues, turn.readings, conversation)
    if column:
        return Call("profile_column", {"table": column.table, "column": column.path})
    if best is None or not complete:
        return _give_up(_nothing_fits(turn))
    covered = outside(best.table, turn.cues)
    if covered:
        return _give_up(f"The table {best.table.name} covers {covered} only, so there is nothing for that period.")
    return _propose(turn, best)


def described_call(table: str) -> Call:
    return Call("describe_table", {"table": table})


def _search_words(cues: Cues) -> str:
    return " ".join(dict.fromkeys(cues.words[i].lower for i in cues.content))[:200]


def _assume(turn: Turn, question: Question) -> Call:
    """The first option, stated as an assumption, when asking is not possible or brought nothing usable."""
    asked = turn.conversation
    text = with_answer(asked.question.rstrip(" ?.!"), question.text, question.options[0], asked.today)
    cues = read_cues(text, turn.conversation.today)
    readings = [r for r in interpret(cues, turn.schema) if not r.uncovered]
    if not readings:
        return _give_up(_nothing_fits(turn))
    return _propose(turn, readings[0].assuming(f"taken as: {question.options[0]}"))


def _propose(turn: Turn, reading: Reading) -> Call:
    failed = turn.conversation.failed_plans()
    if len(failed) > MAX_REPAIRS:
        return _give_up(
            f"The query was refused {len(failed)} times; the last reason was: {_last_reason(turn.conversation)}"
        )
    arguments = plan_arguments(reading, turn.schema, turn.cues, bool(failed))
    if failed:
        repaired = repaired_sql(arguments, failed, turn.schema)
        if repaired is None:
            return _give_up(f"The query could not be repaired. The last reason was: {_last_reason(turn.conversation)}")
        arguments = repaired
    return Call("propose_plan", arguments)


def _last_reason(conversation: Conversation) -> str:
    error = conversation.failed_plans()[-1].error
    return " ".join(str(error.get("message") or error.get("code") or "no reason given").split())[:300]


def _nothing_fits(turn: Turn) -> str:
    """Why no reading is complete: restricted columns, unknown words, or nothing to measure."""
    uncovered = turn.best.uncovered if turn.best else turn.cues.content
    private = restricted_words(turn.cues, uncovered, turn.schema)
    if private:
        return f"The question needs restricted personal data ({', '.join(private)}), which must not be read."
    if turn.best and turn.best.dropped is not None:
        part = _around(turn.cues, turn.best.dropped)
        return f"This planner cannot do what “{part}” asks for, and does not leave it out."
    unknown = ", ".join(dict.fromkeys(turn.cues.words[i].text for i in uncovered))
    if unknown:
        return f"Nothing in the tables matches: {unknown}. The question cannot be answered from this data."
    return (
        "The question names nothing that the tables can measure. Ask for a figure, such as a count, a sum or a trend."
    )


def _around(cues: Cues, place: int) -> str:
    """The word and the two after it, as they were written."""
    last = cues.words[min(place + 2, len(cues.words) - 1)]
    return " ".join(cues.text[cues.words[place].start : last.end].split())


def _answer(conversation: Conversation, results: list[Json]) -> Call:
    follow_up = _follow_up(conversation)
    if follow_up and conversation.offers("schedule_follow_up"):
        return follow_up
    turn = read_turn(conversation)
    scheduled = bool(conversation.answered("schedule_follow_up"))
    return Call("write_answer", write_answer(turn.best, turn.cues, results, NOTICE, scheduled))


def _follow_up(conversation: Conversation) -> Call | None:
    if conversation.of("schedule_follow_up"):
        return None
    cues = read_cues(conversation.question, conversation.today)
    if cues.follow_up is None:
        return None
    return Call("schedule_follow_up", {"when": cues.follow_up, "question": conversation.question})


def _give_up(reason: str) -> Call:
    return Call("give_up", {"reason": f"{reason} {NOTICE}"})


def _instead(conversation: Conversation, wanted: Call) -> Call:
    """A sensible offered call when the wanted one is not offered in this phase."""
    schema = read_schema(conversation)
    if wanted.tool in ("propose_plan", "profile_column", "ask_user") and conversation.offers("describe_table"):
        repeats = len(conversation.of("describe_table")) - len(schema.tables)
        table = next((t.id for t in schema.undescribed), schema.tables[0].id if schema.tables and repeats < 2 else None)
        if table:
            return described_call(table)
    if wanted.tool == "give_up" and conversation.offers("write_answer"):
        return Call("write_answer", {"summary": wanted.arguments["reason"], "chart": {"kind": "none"}, "citations": []})
    if conversation.offers("give_up"):
        return _give_up(f"The next step would be {wanted.tool}, which is not offered here.")
    return wanted if not conversation.tools else _first_offered(conversation, wanted)


def _first_offered(conversation: Conversation, wanted: Call) -> Call:
    for tool, arguments in (
        ("list_tables", {"search": ""}),
        ("ask_user", {"question": "How shall I go on?", "options": []}),
    ):
        if conversation.offers(tool):
            return Call(tool, arguments)
    return wanted
