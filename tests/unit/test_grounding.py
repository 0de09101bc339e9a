"""Figures of an answer are checked against cells, by code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bq_copilot.grounding import check, figures, holds
from bq_copilot.toolbox import Citation

RESULTS = {"q1": (("month", "revenue", "change"), [["2025-01-01", 1234567.4, 0.1253], ["2025-02-01", 99, None]])}


@pytest.mark.parametrize(
    ("figure", "cell"),
    [
        ("1,234,567", "1234567.4"),
        ("1.2M", "1234567.4"),
        ("$1,234,567.4", "1234567.4"),
        ("12.5%", "0.1253"),
        ("12.53%", "12.53"),
        ("-3%", "-3.2"),
        ("Germany", "Germany"),
        ("2025-01-01", "2025-01-01"),
    ],
)
def test_a_rounded_cell_supports_its_figure(figure: str, cell: str) -> None:
    """A figure may be rounded, scaled or shown as a percentage."""
    assert holds(figure, cell)


@pytest.mark.parametrize(("figure", "cell"), [("1,234,568", "1234567.4"), ("1.3M", "1234567.4"), ("12%", "0.1253")])
def test_another_number_does_not(figure: str, cell: str) -> None:
    """What rounds to something else is not supported."""
    assert not holds(figure, cell)


def test_a_figure_without_a_citation_is_unsupported() -> None:
    """Nothing is taken on the model's word."""
    _, loose = check("Revenue was 1,234,567 and 42 more.", [_cite("1,234,567", 0, "revenue")], RESULTS, "Revenue?")
    assert loose == ("42",)


def test_a_citation_of_the_wrong_cell_supports_nothing() -> None:
    """The cell must hold the figure."""
    cells, loose = check("It was 1,234,567.", [_cite("1,234,567", 1, "revenue")], RESULTS, "Revenue?")
    assert not cells[0].supported
    assert loose == ("1,234,567",)


@pytest.mark.parametrize(("row", "column", "query"), [(9, "revenue", "q1"), (0, "profit", "q1"), (0, "revenue", "q2")])
def test_a_citation_of_no_cell_supports_nothing(row: int, column: str, query: str) -> None:
    """A cell that is not there has no value."""
    cite = Citation(figure="99", query=query, row=row, column=column)
    cells, _ = check("99", [cite], RESULTS, "Revenue?")
    assert (cells[0].value, cells[0].supported) == (None, False)


def test_a_figure_of_the_question_needs_no_citation() -> None:
    """`top 5` in the question may be said again."""
    assert check("The top 5 are shown.", [], RESULTS, "Top 5 products?")[1] == ()


def test_a_year_that_is_in_the_results_is_supported() -> None:
    """Dates of the results need no citation of their own; others do."""
    assert check("In 2025 it fell.", [], RESULTS, "Revenue?")[1] == ()
    assert check("In 1999 it fell.", [], RESULTS, "Revenue?")[1] == ("1999",)


@given(st.floats(-1e12, 1e12, allow_nan=False), st.integers(0, 4))
def test_any_number_supports_itself_at_any_rounding(value: float, digits: int) -> None:
    """Formatting with thousands separators never loses support."""
    assert holds(f"{value:,.{digits}f}", repr(value))


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for_figures(text: str) -> None:
    """Model prose of any kind is read without failing."""
    assert all(any(c.isdigit() for c in f) for f in figures(text))


def _cite(figure: str, row: int, column: str) -> Citation:
    return Citation(figure=figure, query="q1", row=row, column=column)
