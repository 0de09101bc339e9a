"""The answer's chart: as text for a terminal, as SVG or PNG for a page. Drawn by libraries, from typed options only.

It draws the rows that the answer shows and nothing else; the model chose kind, columns and title, never code. Both
libraries load slowly and are imported when something is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bq_copilot.errors import Refused
from bq_copilot.safe_text import clip
from bq_copilot.view_types import ChartView

BARS = 24
"""Bars that are drawn at most; more of them cannot be read."""

POINTS = 2_000
"""Points of a line that are drawn at most."""

FORMATS = (".svg", ".png")

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one group of bars."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn: labels along the axis, and one or more series over them."""

    kind: str
    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    left_out: int = 0
    """Rows that were not drawn because there are too many, or because they hold no number."""


def drawing(chart: ChartView, columns: Sequence[str], rows: Rows) -> Drawing | None:
    """Return what to draw, None when the chart's columns are not in the result or hold no numbers."""
    wanted = [y for y in chart["y"] if y in columns]
    if chart["x"] not in columns or not wanted:
        return None
    places = [columns.index(y) for y in wanted]
    x = columns.index(chart["x"])
    good = [row for row in rows if all(_number(row[p]) is not None for p in places)]
    kept = good[: BARS if chart["kind"] == "bar" else POINTS]
    if not kept:
        return None
    series = [
        Series(clip(name, 40), tuple(_number(row[p]) or 0.0 for row in kept))
        for name, p in zip(wanted, places, strict=True)
    ]
    labels = tuple(clip(_label(row[x]), 30) for row in kept)
    return Drawing(chart["kind"], clip(chart["title"], 100), labels, tuple(series), len(rows) - len(kept))


def _number(value: Any) -> float | None:
    """Return a number; BigQuery's NUMERIC comes as text."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number - number == 0 else None


def _label(value: Any) -> str:
    return "∅" if value is None else str(value)


def terminal_chart(chart: ChartView, columns: Sequence[str], rows: Rows, *, width: int = 80, height: int = 16) -> str:
    """Return the chart as plain text without colours, empty when there is nothing to draw."""
    found = drawing(chart, columns, rows)
    if found is None:
        return ""
    return _bars(found, width) if found.kind == "bar" else _lines(found, width, height)


def _lines(found: Drawing, width: int, height: int) -> str:
    import plotext  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - loads slowly, has no stubs

    figure: Any = plotext.figure
    figure.clear()
    figure.plot_size(width, height)
    places = list(range(1, len(found.labels) + 1))
    for series in found.series:
        signal = figure.signal(places, list(series.values), marker="braille")
        signal.lines()
        if len(found.series) > 1:
            signal.label(series.name)
        figure.draw(signal)
    shown = _spread(len(places), max(2, width // 18))
    figure.ruler("x").ticks([places[i] for i in shown], [found.labels[i] for i in shown])
    values = [v for series in found.series for v in series.values]
    ticks = _ticks(min(values), max(values))
    figure.ruler("y").ticks(ticks, [_short(t, max(values) - min(values)) for t in ticks])
    figure.title(found.title)
    return _plain(figure.build())


def _ticks(low: float, high: float) -> list[float]:
    return [low + (high - low) * i / 4 for i in range(5)] if high > low else [low]


def _short(value: float, spread: float) -> str:
    decimals = 0 if spread >= 20 else 2 if spread >= 0.2 else 6
    return f"{value:,.{decimals}f}"


def _bars(found: Drawing, width: int) -> str:
    from rich.bar import Bar  # noqa: PLC0415 - wanted only here
    from rich.console import Console  # noqa: PLC0415 - wanted only here
    from rich.table import Table  # noqa: PLC0415 - wanted only here
    from rich.text import Text  # noqa: PLC0415 - wanted only here

    values = [v for series in found.series for v in series.values]
    low, high = min(0.0, *values), max(0.0, *values)
    table = Table(box=None, show_header=False, pad_edge=False, title_justify="left", width=width)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    for place, label in enumerate(found.labels):
        for series in found.series:
            value = series.values[place]
            name = f"{label} · {series.name}" if len(found.series) > 1 else label
            bar = Bar(high - low or 1.0, min(value, 0.0) - low, max(value, 0.0) - low)
            table.add_row(Text(name), bar, Text(_short(value, high - low)))
    lines = Console(width=width, color_system=None, markup=False, emoji=False)
    with lines.capture() as captured:
        lines.print(Text(found.title), table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n")


def _plain(matrix: Any) -> str:
    import plotext  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - loads slowly, has no stubs

    library: Any = plotext
    lines: list[str] = library.uncolorize(str(matrix)).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _spread(count: int, most: int) -> list[int]:
    """Return at most `most` evenly spaced places between 0 and count - 1."""
    return list(range(0, count, -(-count // most)))


def write_chart(chart: ChartView, columns: Sequence[str], rows: Rows, path: Path) -> None:
    """Write the chart as SVG or PNG, by the file's name. Raises Refused when it cannot be drawn."""
    if path.suffix.lower() not in FORMATS:
        raise Refused(
            f"{path.name} is neither .svg nor .png.", code="chart_invalid", next="Name a file with one of them."
        )
    found = drawing(chart, columns, rows)
    if found is None:
        raise Refused("The chart's columns hold no numbers to draw.", code="chart_invalid")
    try:
        _write(found, path, path.suffix.lower().removeprefix("."))
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.", code="chart_invalid") from error


def svg_of(chart: ChartView, columns: Sequence[str], rows: Rows) -> bytes:
    """Return the chart as SVG, empty when there is nothing to draw."""
    found = drawing(chart, columns, rows)
    if found is None:
        return b""
    out = io.BytesIO()
    _write(found, out, "svg")
    return out.getvalue()


def _write(found: Drawing, to: Path | io.BytesIO, form: str) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - loads slowly
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - see above
    from matplotlib.figure import Figure  # noqa: PLC0415 - see above

    mpl_any: Any = mpl
    with mpl_any.rc_context({"svg.hashsalt": "bq-copilot", "text.parse_math": False}):
        figure: Any = Figure(figsize=(9, 4.8), layout="constrained", dpi=144)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _paint(axes, found)
        axes.set_title(found.title, loc="left", fontsize=12, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x" if found.kind == "bar" else "y", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        if len(found.series) > 1:
            axes.legend(frameon=False)
        figure.savefig(to, format=form, metadata={"Date": None} if form == "svg" else {})


def _tick(value: float, _place: int) -> str:
    return f"{value:,.10g}"


def _paint(axes: Any, found: Drawing) -> None:
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 - loads slowly

    count, groups = len(found.labels), len(found.series)
    numbers = FuncFormatter(_tick)
    if found.kind == "bar":
        size = 0.8 / groups
        for n, series in enumerate(found.series):
            axes.barh([i + n * size for i in range(count)], series.values, height=size, label=series.name)
        axes.set_yticks([i + 0.4 - size / 2 for i in range(count)], found.labels)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(numbers)
        return
    for series in found.series:
        axes.plot(range(count), series.values, label=series.name, linewidth=2, marker="." if count < 40 else "")
    shown = _spread(count, 8)
    axes.set_xticks(shown, [found.labels[i] for i in shown])
    axes.yaxis.set_major_formatter(numbers)
