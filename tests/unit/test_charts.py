"""What is drawn, and how it looks in a terminal."""

from __future__ import annotations

from bq_copilot.charts import BARS, drawing, terminal_chart
from bq_copilot.view_types import ChartView


def chart(kind: str = "bar", *y: str) -> ChartView:
    return ChartView(kind=kind, query="q1", x="country", y=list(y or ("orders",)), title="Orders")


ROWS = [["US", 30], ["DE", 20], ["GB", 10]]


def test_the_longest_bar_is_the_largest_value() -> None:
    """Bars are proportional to their values and carry label and figure."""
    lines = terminal_chart(chart(), ["country", "orders"], ROWS, width=60).splitlines()
    assert lines[0] == "Orders"
    lengths = [line.count("█") for line in lines[1:]]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] > 2 * lengths[2]
    assert lines[1].startswith("US") and lines[1].endswith("30")


def test_a_line_chart_shows_its_range_and_its_ends() -> None:
    """The axis is labelled with the smallest and largest value, and with the first label."""
    text = terminal_chart(chart("line"), ["country", "orders"], ROWS, width=60)
    assert "30" in text and "10" in text and "US" in text and "Orders" in text


def test_numbers_that_come_as_text_are_drawn() -> None:
    """NUMERIC arrives as text; it is a number all the same."""
    found = drawing(chart(), ["country", "orders"], [["US", "30.5"]])
    assert found and found.series[0].values == (30.5,)


def test_rows_without_a_number_are_left_out_and_counted() -> None:
    """Nulls, words and infinities are not drawn as zero."""
    rows = [["US", 30], ["DE", None], ["GB", "many"], ["FR", float("inf")], ["ES", True]]
    found = drawing(chart(), ["country", "orders"], rows)
    assert found and (found.labels, found.left_out) == (("US",), 4)


def test_more_bars_than_can_be_read_are_left_out() -> None:
    """A bar chart has at most so many bars; the count of the others is known."""
    found = drawing(chart(), ["country", "orders"], [[f"c{i}", i] for i in range(100)])
    assert found and (len(found.labels), found.left_out) == (BARS, 100 - BARS)


def test_columns_that_are_not_in_the_result_draw_nothing() -> None:
    """A chart of unknown columns is no chart, and no error."""
    assert terminal_chart(chart("bar", "profit"), ["country", "orders"], ROWS) == ""
    assert terminal_chart(chart(), ["country", "orders"], []) == ""


def test_labels_from_data_are_made_safe() -> None:
    """An escape sequence in a label or in the title is written out."""
    evil = ChartView(kind="bar", query="q1", x="country", y=["orders"], title="a\x1b[2Jb")
    text = terminal_chart(evil, ["country", "orders"], [["x\x1b]0;y\x07", 1]])
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "⟨U+001B⟩" in text
