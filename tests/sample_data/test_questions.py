"""The evaluation set is complete, and its comparison accepts other forms but no other figures."""

import pandas as pd
import pytest

from tests.sample_data.comparison import agrees
from tests.sample_data.frames import Frames
from tests.sample_data.questions import QuestionSet, load_questions
from tests.sample_data.registry import Match, Truth
from tests.sample_data.truths import TRUTHS


@pytest.fixture(scope="module")
def entries() -> QuestionSet:
    """The shipped set."""
    return load_questions()


def truth(match: Match = Match.ROWS, top: int = 0) -> Truth:
    return Truth("made-up", lambda frames: 0.0, match, top=top)


def test_the_set_is_large_and_mixed(entries: QuestionSet) -> None:
    """At least 60 distinct entries, among them unanswerable, ambiguous and hostile ones."""
    assert len(entries.questions) >= 60
    assert len(entries.of("unanswerable")) >= 8
    assert len(entries.of("ambiguous")) >= 6
    assert len(entries.of("hostile")) >= 6
    assert len({question.id for question in entries.questions}) == len(entries.questions)
    assert len({question.question for question in entries.questions}) == len(entries.questions)


def test_every_truth_is_asked_for_and_exists(entries: QuestionSet) -> None:
    """The file and the registry name the same truths, and readings point at existing ones."""
    assert {question.truth for question in entries.with_truth()} == set(TRUTHS)
    readings = {reading.truth for question in entries.questions for reading in question.readings}
    assert readings - {None} <= set(TRUTHS)


def test_every_entry_says_what_is_right(entries: QuestionSet) -> None:
    """Answerable entries have a truth or at least two readings; the others say why there is no answer."""
    for question in entries.questions:
        if question.answerable:
            assert question.truth or len(question.readings) >= 2, question.id
        else:
            assert question.because and not question.truth, question.id


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_a_truth_has_a_finding(frames: Frames, name: str) -> None:
    """Each truth gives rows without gaps, and agrees with itself."""
    found = TRUTHS[name]
    for expected in found.expected(frames)[:1]:
        if isinstance(expected, pd.DataFrame):
            assert len(expected) > 0
            assert expected.notna().all(axis=None)
            rows = expected.to_numpy(dtype=object).tolist()
            assert agrees(found, [expected], rows[: found.top or None])
        else:
            assert expected > 0
            assert agrees(found, [expected], [[expected]])


def test_names_and_extra_columns_do_not_matter() -> None:
    """Rows in another order, with another column between, still agree."""
    expected = pd.DataFrame({"country": ["DE", "US"], "total": [10.0, 20.0]})
    assert agrees(truth(), [expected], [["US", 7, 20.0], ["DE", 9, 10.004]])


def test_a_wrong_figure_does_not_agree() -> None:
    """One per cent off is a different answer."""
    expected = pd.DataFrame({"country": ["DE", "US"], "total": [10.0, 20.0]})
    assert not agrees(truth(), [expected], [["US", 20.2], ["DE", 10.0]])


def test_a_figure_in_another_row_does_not_agree() -> None:
    """The right figures under the wrong keys are a different answer."""
    expected = pd.DataFrame({"country": ["DE", "US"], "total": [10.0, 20.0]})
    assert not agrees(truth(), [expected], [["US", 10.0], ["DE", 20.0]])


def test_a_missing_row_does_not_agree() -> None:
    """A result that lacks a group is a different answer."""
    expected = pd.DataFrame({"country": ["DE", "US"], "total": [10.0, 20.0]})
    assert not agrees(truth(), [expected], [["US", 20.0]])


def test_a_share_may_be_in_percent() -> None:
    """12.5 and 0.125 are the same share; 12.9 is not."""
    expected = pd.DataFrame({"country": ["DE"], "share": [0.125]})
    assert agrees(truth(), [expected], [["DE", 12.5]])
    assert agrees(truth(), [expected], [["DE", 0.125]])
    assert not agrees(truth(), [expected], [["DE", 12.9]])


def test_a_month_may_be_written_short() -> None:
    """`2025-03`, a date and a text date are the same month."""
    expected = pd.DataFrame({"month": [pd.Timestamp("2025-03-01")], "total": [1.0]})
    assert agrees(truth(), [expected], [["2025-03", 1.0]])
    assert agrees(truth(), [expected], [[pd.Timestamp("2025-03-01").date(), 1.0]])
    assert not agrees(truth(), [expected], [["2025-04", 1.0]])


def test_a_weekday_may_be_a_number() -> None:
    """BigQuery counts weekdays from Sunday as 1."""
    expected = pd.DataFrame({"weekday": ["Sunday", "Monday"], "orders": [5, 6]})
    assert agrees(truth(), [expected], [[1, 5], [2, 6]])
    assert not agrees(truth(), [expected], [[1, 6], [2, 5]])


def test_a_ranking_keeps_its_order() -> None:
    """The same rows in another order are no ranking."""
    expected = pd.DataFrame({"brand": ["A", "B"], "units": [9, 5]})
    assert agrees(truth(Match.RANKING, top=2), [expected], [["A", 9], ["B", 5]])
    assert not agrees(truth(Match.RANKING, top=2), [expected], [["B", 5], ["A", 9]])


def test_a_ranking_may_end_with_any_of_equals() -> None:
    """Where two rows tie for the last place, either may have it, but not both and no third."""
    expected = pd.DataFrame({"brand": ["A", "B", "C"], "units": [9, 5, 5]})
    assert agrees(truth(Match.RANKING, top=2), [expected], [["A", 9], ["C", 5]])
    assert not agrees(truth(Match.RANKING, top=2), [expected], [["A", 9], ["B", 5], ["C", 5]])
    assert not agrees(truth(Match.RANKING, top=2), [expected], [["A", 9], ["D", 5]])


def test_figures_may_stand_in_any_layout() -> None:
    """Two periods may be two rows or two columns, but both figures must be there."""
    expected = pd.DataFrame({"before": [100.0], "after": [150.0]})
    assert agrees(truth(Match.FIGURES), [expected], [["2024", 100.0], ["2025", 150.0]])
    assert agrees(truth(Match.FIGURES), [expected], [[150.0, 100.0, 0.5]])
    assert not agrees(truth(Match.FIGURES), [expected], [[100.0, 140.0]])


def test_a_subset_may_have_company() -> None:
    """Every expected row must be there; other rows may be too."""
    expected = pd.DataFrame({"day": [pd.Timestamp("2025-09-08")], "orders": [2]})
    assert agrees(truth(Match.SUBSET), [expected], [["2025-09-07", 40], ["2025-09-08", 2]])
    assert not agrees(truth(Match.SUBSET), [expected], [["2025-09-07", 40], ["2025-09-08", 3]])
