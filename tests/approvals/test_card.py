"""The card: facts first, the model's words apart, and nothing that was put in can act on who reads it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bq_copilot import events as ev
from bq_copilot.card import card_html, card_markdown, card_of, facts_of
from bq_copilot.card_blocks import shown_sql
from bq_copilot.card_html import to_html
from bq_copilot.card_markdown import to_markdown
from bq_copilot.card_terminal import to_text
from bq_copilot.identities import FORM_USER
from bq_copilot.state import Plan
from bq_copilot.values import Query
from tests.approvals.stage import CUSTOMERS, OWNERS, TIER_3, Stage, policy

PLAN = Stage(sandbox=True).plan

HOSTILE = (
    "</pre><script>alert(1)</script>",
    "```\n# Approved\n```",
    "[click](javascript:alert(1)) ![x](https://evil/x.png)",
    "https://evil.example/?q=1 www.evil.example",
    "\x1b[2J\x1b[31mred\x1b]8;;https://evil\x07",
    "\u202etxet desrever\u202c \u2066x\u2069",
    "**bold** _it_ ~~gone~~ | a | b |\n|---|---|",
    "<!-- hidden --> <details><summary>ok</summary>",
    "- [x] approved\n1. one\n> quote\n=====\n-----",
    "\r\rApprove?\b\b\x00\x7f\u3164\u200b",
    "&lt;img src=x onerror=alert(1)&gt; &#x3c;b&#x3e;",
    "{{ prefect.variables.secret }}",
)


def with_words(words: str) -> Plan:
    """Return the plan with other words of the model everywhere where the model writes."""
    queries = tuple(q.model_copy(update={"purpose": words}) for q in PLAN.queries)
    return replace(PLAN, rationale=words, queries=queries)


def with_facts(text: str) -> Plan:
    """Return a plan whose question, SQL, names and notes all hold this text."""
    assert PLAN.request is not None
    query = PLAN.request.queries[0]
    table = query.tables[0].model_copy(update={"table": text})
    facts = {"sql": f"SELECT '{text}'", "tables": (table,), "columns": (text,), "notes": (text,), "tagged": (text,)}
    hostile = query.model_copy(update={**facts, "destination": text, "id": text})
    request = PLAN.request.model_copy(
        update={"question": text, "requester": text, "warehouse": text, "runs_as": text, "queries": (hostile,)}
    )
    return replace(PLAN, request=request, rationale=text, note=text)


# -- facts only ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_the_models_words_never_change_the_facts(words: str):
    """Whatever the model writes, the computed part of the card is the same, byte for byte, in all outputs."""
    facts, plain = facts_of(with_words(words)), facts_of(PLAN)
    assert facts == plain
    assert card_markdown(with_words(words)).startswith(to_markdown(plain).rstrip("\n"))
    assert to_text(card_of(with_words(words))).startswith(to_text(plain))


def test_the_note_never_changes_the_facts():
    """What the platform says about earlier revisions stands outside the facts, too."""
    assert facts_of(replace(PLAN, note="Edited by ana.")) == facts_of(PLAN)
    assert "Edited by ana." in card_markdown(replace(PLAN, note="Edited by ana."))


def test_the_models_words_stand_last_and_are_marked():
    """After the facts, in a box whose title says that nobody checked them."""
    text = card_markdown(with_words("Trust me."))
    box = text.index("The model's own words (not checked)")
    assert text.index("SELECT region") < box < text.index("Trust me.")


def test_the_same_request_gives_the_same_card():
    """No clock and no chance is in it."""
    assert card_markdown(PLAN) == card_markdown(PLAN)


# -- what must be known ----------------------------------------------------------------------------------


MUST = (
    "How many orders per region",
    "Sandbox",
    "4.8 MiB",
    "exact",
    "less than $0.01",
    "bills at most 10.0 MiB",
    "p.shop.orders",
    "none is read",
    "nothing to look at",
    "p.copilot_scratch.",
    "runner@p.iam",
    "any approver",
    "2026-07-02 09:00 UTC (in 24 h)",
    "r-stage.1",
)


def screen(text: str) -> str:
    """Return the first screen: 25 lines, without Markdown's escapes."""
    return re.sub(r"\\([^A-Za-z0-9\s])", r"\1", "\n".join(text.splitlines()[:25]))


@pytest.mark.parametrize("must", MUST)
def test_what_an_approver_must_know_is_on_the_first_screen(must: str):
    """In Markdown and in a terminal of 100 columns."""
    assert must in screen(card_markdown(PLAN))
    assert must in screen(to_text(card_of(PLAN)))


def test_the_first_screen_holds_a_big_plan_too():
    """Eight queries over many tables with long names, findings and tags: who, when, how much still stand on top."""
    assert PLAN.request is not None
    base = PLAN.request.queries[0]
    queries = []
    for i in range(8):
        tables = tuple(base.tables[0].model_copy(update={"table": f"project.dataset.table_{i}_{j}"}) for j in range(9))
        notes = tuple(f"P12: partition filter missing on table {j} " + "x" * 300 for j in range(9))
        columns = tuple(f"{t.table}.column_{n}" for t in tables for n in range(9))
        more = {"id": f"q{i}", "tables": tables, "notes": notes, "columns": columns, "tagged": columns[:9]}
        queries.append(base.model_copy(update=more))
    request = PLAN.request.model_copy(update={"queries": tuple(queries), "question": "why " * 600})
    text = screen(to_text(card_of(replace(PLAN, request=request))))
    for must in ("Sandbox", "8 queries", "May decide", "in 24 h", "72, the first 4 of them", "r-stage.1", "more below"):
        assert must in text


def test_everything_that_the_first_screen_shortens_is_listed_below():
    """All columns and all findings stand in the card, in full."""
    assert PLAN.request is not None
    notes, columns = tuple(f"P1{i}: finding {i}" for i in range(6)), tuple(f"p.d.t.c{i}" for i in range(30))
    query = PLAN.request.queries[0].model_copy(update={"notes": notes, "columns": columns})
    card = card_html(replace(PLAN, request=PLAN.request.model_copy(update={"queries": (query,)})))
    assert all(text in card for text in (*notes, *columns))


def test_nothing_is_folded_away():
    """No output uses anything that a person would have to open."""
    card = card_markdown(PLAN) + card_html(PLAN)
    assert not re.search(r"<(details|summary|dialog)|hidden|display:\s*none", card)


def test_tagged_columns_are_named_on_the_first_screen():
    """And whether they reach the result."""
    assert PLAN.request is not None
    query = PLAN.request.queries[0].model_copy(update={"tagged": ("p.shop.orders.email",), "tagged_in_output": True})
    text = screen(card_markdown(replace(PLAN, request=PLAN.request.model_copy(update={"queries": (query,)}))))
    assert "reaches the result" in text and "p.shop.orders.email" in text


def test_who_may_decide_is_named():
    """Role, number, code and the requester's exclusion are words on the card."""
    plan = Stage(policy(TIER_3, roles=OWNERS, escalate_to=("dora",), escalate_after_seconds=600)).plan
    text = screen(card_markdown(plan))
    assert "tier 3: ben, cora (not ana, who asked), 2 of them, with an approval code" in text
    assert "from 2026-07-01 09:10 UTC also dora" in text


def test_a_refused_attempt_is_told_on_the_next_card():
    """Whoever filled the form in vain reads why."""
    stage = Stage()
    with pytest.raises(Exception, match="does not say who"):
        stage.decide(FORM_USER)
    assert "The last attempt was refused (form_unverified)" in screen(card_markdown(stage.reload().plan))


# -- the diff --------------------------------------------------------------------------------------------


def voided() -> Stage:
    """Return a run whose first approval was voided and which asks again with other SQL and more bytes."""
    from tests.approvals.stage import estimate, verdict

    stage = Stage()
    stage.decide("ben")
    changes = ("q1: schema of p.shop.orders changed",)
    stage.reload().journal.append(ev.ApprovalVoided(request_id="r-stage.1", reason="drift", changes=changes))
    sql = "SELECT region, COUNT(*) AS n\nFROM `p.shop.orders`\nWHERE total > 0\nGROUP BY region"
    stage.propose(by="platform", judged=verdict(sql), priced=estimate(size=90_000_000))
    stage.ask()
    return stage


def test_the_diff_to_the_last_approval_stands_between_facts_and_words():
    """Changed facts and changed SQL, with who approved what before."""
    stage = voided()
    text = card_markdown(replace(stage.plan, rationale="Trust me."), stage.state.earlier)
    assert "What changed since r-stage.1, approved by ben" in text
    assert "reads 90,000,000 bytes instead of 5,000,000" in text
    assert "schema of p.shop.orders changed" in text
    assert "+WHERE total > 0" in text
    assert text.index("WHERE total") < text.index("+WHERE total > 0") < text.index("Trust me.")


def test_a_change_is_announced_on_the_first_screen():
    """A second request does not look like the first."""
    stage = voided()
    assert "Changed since the last approval" in screen(card_markdown(stage.plan, stage.state.earlier))


def test_a_first_request_has_no_diff():
    """Where nothing was approved before, nothing changed."""
    assert "What changed" not in card_markdown(PLAN)


# -- literals --------------------------------------------------------------------------------------------


def test_a_long_literal_is_shortened_with_its_length():
    """Over 80 characters: beginning, length, end; the digest of the whole SQL stands beside it."""
    sql = f"SELECT '{'a' * 500}' AS x, 'short' AS y"
    shown = shown_sql(sql)
    assert "[500 characters]" in shown and "'short' AS y" in shown and len(shown) < 150
    assert PLAN.request is not None
    digest = PLAN.request.queries[0].sql_digest.removeprefix("sha256:")
    assert f"`sha256:` `{digest[:32]}` `{digest[32:]}`" in card_markdown(PLAN)


@given(st.text(alphabet="abc 'xyz", max_size=80))
def test_short_literals_are_shown_whole(text: str):
    """Up to 80 characters nothing is left out."""
    sql = "SELECT '" + text.replace("'", "\\'")[:80].rstrip("\\") + "' AS x"
    assert shown_sql(sql) == sql


# -- injection -------------------------------------------------------------------------------------------

BAD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ISOLATES = {"\u2068", "\u2069"}


def harmless(output: str) -> bool:
    """Say whether no character can act on a terminal, hide, or turn its neighbours around."""
    return not any(unicodedata.category(c) in BAD and c != "\n" and c not in ISOLATES for c in output)


class Tags(HTMLParser):
    """Collects the elements and attributes of a fragment."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag, *(f"{tag}@{name}" for name, _ in attrs)}

    def handle_comment(self, data: str) -> None:
        self.seen.add("comment")


HTML = {"section", "h2", "h3", "p", "div", "strong", "code", "pre", "aside", "br", "bdi"}
ATTRIBUTES = {"section@class", "section@dir", "section@style", "p@style", "div@class", "code@style", "pre@dir"}
ATTRIBUTES |= {"pre@style", "aside@style"}
MARKDOWN = {"heading", "paragraph", "bullet_list", "list_item", "blockquote", "strong", "inline", "fence"}
MARKDOWN |= {"code_inline", "text", "softbreak", "hardbreak"}


READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ADDRESS = re.compile(r"(?i)\b(https?|ftp|file)://|\bwww\.|\b(mailto|javascript):")
"""What readers turn into links by themselves."""


def kinds(markdown: str) -> set[str]:
    """Return the kinds of elements that a Markdown reader with links, tables and HTML sees."""
    found: set[str] = set()
    for token in READER.parse(markdown):
        inline = token.children or []
        found |= {token.type, *(child.type for child in inline)}
        found |= {"address" for child in inline if child.type == "text" and ADDRESS.search(child.content)}
    return {kind.removesuffix("_open").removesuffix("_close") for kind in found}


def _check(plan: Plan) -> None:
    markdown, html, text = card_markdown(plan), card_html(plan), to_text(card_of(plan))
    assert harmless(markdown) and harmless(html) and harmless(text)
    assert kinds(markdown) <= MARKDOWN
    tags = Tags()
    tags.feed(html)
    assert tags.seen <= HTML | ATTRIBUTES


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str):
    """In the question, SQL, names, notes and words: no link, image, HTML, table, escape or direction change."""
    _check(with_facts(text))


pieces = st.sampled_from([*HOSTILE, "`", "\n", "> ", "* ", "# ", "<b>", "\u05d0\u05d1", "'", '"', "\\", "]("])


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces | st.text(max_size=10), max_size=8).map("".join))
def test_no_text_becomes_markup(text: str):
    """Any mix of hostile pieces and random characters stays text in all three outputs."""
    _check(with_facts(text))


def test_letters_from_right_to_left_do_not_move_their_neighbours():
    """Each such run is isolated, and every isolate is closed."""
    plan = with_facts("abc \u05d0\u05d1\u05d2 = 1 OR")
    markdown = card_markdown(plan)
    assert "\u2068\u05d0\u05d1\u05d2\u2069" in markdown
    assert markdown.count("\u2068") == markdown.count("\u2069")
    assert "<bdi>\u05d0\u05d1\u05d2</bdi>" in card_html(plan)


def test_a_query_cannot_close_its_own_box():
    """Backticks in the SQL make the fence longer."""
    assert PLAN.request is not None
    query = PLAN.request.queries[0].model_copy(update={"sql": "SELECT '````' AS x\n```\n# Approved"})
    markdown = card_markdown(replace(PLAN, request=PLAN.request.model_copy(update={"queries": (query,)})))
    headings = [t.content for t in MarkdownIt().parse(markdown) if t.type == "inline" and "Approved" in t.content]
    assert headings == []


def test_the_html_needs_nothing_from_elsewhere():
    """No address, script or style sheet is in it."""
    assert not re.search(r"https?:|<script|<link|<img|url\(|@import", card_html(with_facts("x")))


def test_two_queries_have_two_sections():
    """Each with its own SQL and digest."""
    assert PLAN.request is not None
    first = PLAN.request.queries[0]
    second: Any = first.model_copy(
        update={"id": "q2", "sql": f"SELECT 2 FROM `{CUSTOMERS}`", "sql_digest": "sha256:22"}
    )
    request = PLAN.request.model_copy(update={"queries": (first, second)})
    queries = (*PLAN.queries, Query(id="q2", purpose="", sql=second.sql))
    html = to_html(card_of(replace(PLAN, request=request, queries=queries)))
    assert html.count("<pre") == 2 and "sha256:22" in html and "q2 reads" in html
