"""The drawings of a trace: where its time went, and the way that it took through the phases.

Plain SVG from numbers, in the page's own colours; each drawing says in words what it shows, because the same figures
stand in a table beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from bq_copilot.page_shell import esc
from bq_copilot.trace_types import PhaseView, TraceView

WIDTH = 960
LEFT = 150

PLACES: dict[str, tuple[int, int]] = {
    "received": (0, 0),
    "clarifying": (1, 0),
    "inspecting": (2, 0),
    "drafting": (3, 0),
    "ruling": (4, 0),
    "awaiting_answer": (1, 1),
    "awaiting_approval": (4, 1),
    "executing": (3, 1),
    "answering": (2, 1),
    "cancelling": (0, 1),
    "compensating": (0, 2),
    "completed": (2, 2),
    "partial": (1, 2),
    "refused": (3, 2),
    "rejected": (4, 2),
    "expired": (4, 3),
    "cancelled": (0, 3),
    "failed": (2, 3),
    "parked": (3, 3),
}
"""Column and row of each phase in the diagram."""


def timeline(trace: TraceView) -> str:
    """Return the phases as bars along the time, with what people did and what was recovered as marks."""
    total = max(trace["seconds"], 0.001)
    names = list(dict.fromkeys(p["phase"] for p in trace["phases"]))
    begun = datetime.fromisoformat(trace["received_at"])
    rows = {name: 24 + i * 24 for i, name in enumerate(names)}
    height = 24 + len(names) * 24 + 40
    bars = "".join(_bar(p, rows[p["phase"]], begun, total) for p in trace["phases"][:600])
    labels = "".join(
        f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{esc(n.replace("_", " "))}</text>'
        for n, y in rows.items()
    )
    marks = "".join(_mark(d["at"], begun, total, height, f"{d['verdict']} by {d['by']}") for d in trace["decisions"])
    marks += "".join(
        _mark(s["at"], begun, total, height, f"attempt {s['attempt']}: {s['reason']}", "var(--bad)")
        for s in trace["starts"][:200]
        if s["reason"] == "recovered"
    )
    ticks = "".join(
        f'<text class="dimtext" x="{_x(total * i / 4, total):.0f}" y="{height - 4}" text-anchor="middle">'
        f"{esc(clock(total * i / 4))}</text>"
        for i in range(5)
    )
    said = f"Phases along {clock(total)}: " + ", ".join(f"{n} {clock(s)}" for n, s in spent_in(trace["phases"]).items())
    return _svg(height, said, labels + bars + marks + ticks)


def spent_in(phases: Sequence[PhaseView]) -> dict[str, float]:
    """Return how long the run was in each phase, in the order in which it came there first."""
    found: dict[str, float] = {}
    for phase in phases:
        found[phase["phase"]] = found.get(phase["phase"], 0.0) + phase["seconds"]
    return found


def clock(seconds: float) -> str:
    """Return a span as a person reads it."""
    for limit, unit, length in ((1, "ms", 0.001), (120, "s", 1), (7_200, "min", 60), (172_800, "h", 3_600)):
        if seconds < limit:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 10 or unit == "ms" else f"{value:.1f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def _x(seconds: float, total: float) -> float:
    return LEFT + (WIDTH - LEFT - 30) * seconds / total


def _bar(phase: PhaseView, y: int, begun: datetime, total: float) -> str:
    since = (datetime.fromisoformat(phase["since"]) - begun).total_seconds()
    x, width = _x(since, total), max(2.0, (WIDTH - LEFT - 30) * phase["seconds"] / total)
    words = f"{phase['phase'].replace('_', ' ')}: {clock(phase['seconds'])}"
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="18" rx="2" fill="var(--bar)">'
        f"<title>{esc(words)}</title></rect>"
    )


def _mark(at: str, begun: datetime, total: float, height: int, words: str, colour: str = "var(--warn)") -> str:
    x = _x((datetime.fromisoformat(at) - begun).total_seconds(), total)
    return (
        f'<g><title>{esc(words)}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{height - 20}" stroke="{colour}" '
        f'stroke-width="2" stroke-dasharray="4 3"/><circle cx="{x:.1f}" cy="12" r="5" fill="{colour}"/></g>'
    )


def diagram(phases: Sequence[PhaseView]) -> str:
    """Return the phases as a diagram, with the way that the run took and how often it took it."""
    path = [p["phase"] for p in phases]
    went = Counter(pairwise(path))
    nodes = "".join(_node(name, path) for name in PLACES)
    edges = "".join(_edge(a, b, n) for (a, b), n in went.items() if a in PLACES and b in PLACES)
    arrow = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="var(--run)"/></marker></defs>'
    )
    said = "The way through the phases: " + " to ".join(dict.fromkeys(path))
    return _svg(340, said, arrow + edges + nodes)


def _at(name: str) -> tuple[float, float]:
    column, row = PLACES[name]
    return 100 + column * 190, 40 + row * 85


def _node(name: str, path: Sequence[str]) -> str:
    x, y = _at(name)
    on = name in path
    last = bool(path) and path[-1] == name
    stroke, width = ("var(--run)", 3 if last else 2) if on else ("var(--line)", 1)
    faint, bold = "" if on else ' opacity=".75"', ' font-weight="700"' if last else ""
    fill = "var(--soft)" if on else "var(--bg)"
    return (
        f'<g{faint}><rect x="{x - 70}" y="{y - 16}" width="140" height="32" rx="6" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="{width}"/><text x="{x}" y="{y + 4}" text-anchor="middle"{bold}>'
        f"{esc(name.replace('_', ' '))}</text></g>"
    )


def _edge(a: str, b: str, times: int) -> str:
    (x1, y1), (x2, y2) = _at(a), _at(b)
    if y1 == y2:
        sign = 1 if x2 > x1 else -1
        bend = -26 if sign > 0 else 26
        start, end = (x1 + 70 * sign, y1), (x2 - 70 * sign, y2)
        near = abs(x2 - x1) < 200
        middle = ((start[0] + end[0]) / 2, y1 + (0 if near else bend * 1.6) + (6 if near and sign < 0 else 0))
    else:
        sign = 1 if y2 > y1 else -1
        shift = 18 if sign > 0 else -18
        start, end = (x1 + shift, y1 + 16 * sign), (x2 + shift, y2 - 16 * sign)
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    label = f'<text x="{middle[0] + 8:.0f}" y="{middle[1] - 4:.0f}">{times} times</text>' if times > 1 else ""
    return (
        f'<path d="M{start[0]:.0f} {start[1]:.0f} Q{middle[0]:.0f} {middle[1]:.0f} {end[0]:.0f} {end[1]:.0f}" '
        f'fill="none" stroke="var(--run)" stroke-width="2" marker-end="url(#arrow)"/>{label}'
    )


def _svg(height: int, said: str, inside: str) -> str:
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="Drawing"><svg role="img" width="{WIDTH}" '
        f'viewBox="0 0 {WIDTH} {height}" aria-label="{esc(said)}">{inside}</svg></div>'
    )
