"""Words that say which figure is wanted: what cannot be honoured is given up, over a schema never seen before."""

import pytest

from tests.offline_model.hospital import HOSPITAL
from tests.offline_model.platform import Outcome, Platform, canned


def ask(question: str) -> Outcome:
    return Platform(HOSPITAL, canned((7,))).ask(question)


@pytest.mark.parametrize(
    ("question", "plain"),
    [
        ("Average treatment cost percentage by outcome", "Average treatment cost by outcome"),
        ("Treatment cost of the top 10% of outcomes", "Treatment cost of the outcomes"),
        ("How many patients were admitted in both 2024 and 2025?", "How many patients were admitted in 2025?"),
        ("Minimum and maximum treatment cost by outcome", "Maximum treatment cost by outcome"),
        ("Average and median treatment cost by outcome", "Median treatment cost by outcome"),
        ("Number of admissions within 30 days of another admission", "Number of admissions"),
        ("How many different outcomes did admissions have?", "Admissions by outcome"),
        ("Which patients cost more than 5000 euros in 2025?", "How many patients were there in 2025?"),
        ("Average number of admissions per day in May 2026", "Number of admissions per day in May 2026"),
    ],
)
def test_a_qualifier_that_cannot_be_honoured_is_no_answer_without_it(question: str, plain: str) -> None:
    """The same question without the word is answered, so it is the word that is not left out."""
    assert ask(plain).end.tool == "write_answer"
    outcome = ask(question)
    assert outcome.end.tool == "give_up" and outcome.sql == ""


def test_the_reason_names_the_words_that_cannot_be_done() -> None:
    """Who asked learns which part to leave out, and not that a word were unknown."""
    reason = str(ask("Number of admissions within 30 days of another admission").end.arguments["reason"])
    assert "cannot do what “within 30 days” asks for" in reason


def test_a_period_belongs_to_the_verb_before_it() -> None:
    """Who was discharged in a month was not admitted in it: a period on another date is another question."""
    assert "admitted_on >= DATE '2026-05-01'" in ask("Treatment cost of admissions in May 2026").sql
    assert ask("Treatment cost of admissions discharged in May 2026").end.tool == "give_up"


def test_a_maximum_by_group_is_the_largest_of_each() -> None:
    """Not the groups in order of their sums."""
    sql = ask("Maximum treatment cost by outcome").sql
    assert "MAX(t0.treatment_cost)" in sql and "SUM(" not in sql


def test_a_thing_by_itself_is_no_quotient() -> None:
    """One admission per admission says nothing."""
    assert ask("How many admissions per admission?").end.tool == "give_up"
