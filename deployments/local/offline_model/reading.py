"""The planner's typed vocabulary: what a question means once its words are found in the schema.

Decides nothing; these are the values that pass between matching, intent and the SQL writer. A reading holds columns,
never SQL text, so that repair can take parts away and the writer stays the only place that knows GoogleSQL.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from deployments.local.offline_model.joins import Nest
from deployments.local.offline_model.schema_view import Column, Table
from deployments.local.offline_model.time_window import Window


class Kind(StrEnum):
    """How a measure is computed."""

    ROWS = "rows"
    """Rows of the base table."""
    DISTINCT = "distinct"
    """Distinct values of a key column."""
    SUM = "sum"
    """Sum of a column."""
    AVG = "avg"
    """Average of a column."""
    MEDIAN = "median"
    """Approximate median of a column."""
    MAX = "max"
    """Largest value of a column."""
    MIN = "min"
    """Smallest value of a column."""
    LINE = "line"
    """Sum of quantity x price, less the discount."""
    MARGIN = "margin"
    """Line amount less quantity x cost."""
    RATIO = "ratio"
    """One measure divided by another."""
    DURATION = "duration"
    """Average number of days between two dates."""
    SHARE = "share"
    """Part of the rows (or keys) that meet a condition, in percent."""


class Form(StrEnum):
    """The shape of the analysis, which decides the shape of the SQL."""

    TOTAL = "total"
    """One figure, or one per group."""
    TREND = "trend"
    """A series over time."""
    RANKING = "ranking"
    """Groups in order of the measure."""
    COMPARISON = "comparison"
    """Two windows side by side."""
    SHARES = "shares"
    """Groups with their part of the whole."""
    FUNNEL = "funnel"
    """Steps and how many get to each."""
    THRESHOLD = "threshold"
    """How many keys have at least (at most) so many rows."""
    ANOMALY = "anomaly"
    """Periods that are far from the usual level."""


@dataclass(frozen=True)
class Filter:
    """`column <op> values`; a flag has the values ("TRUE",) or ("FALSE",).

    With `key`, the filter is a semi-join: the base's `key` is (or is not) among `column` of another table, whose rows
    meet the `inner` filters.
    """

    column: Column
    values: tuple[str, ...]
    op: str = "="
    covers: frozenset[int] = frozenset()
    score: float = 1.0
    key: Column | None = None
    inner: tuple["Filter", ...] = ()


@dataclass(frozen=True)
class Measure:
    """Something to compute; `where` are conditions on the counted part only."""

    name: str
    kind: Kind
    table: str
    columns: tuple[Column, ...] = ()
    array: str | None = None
    where: tuple[Filter, ...] = ()
    over: "Measure | None" = None
    covers: frozenset[int] = frozenset()
    score: float = 0.0
    unit: str = "number"
    top: "Measure | None" = None
    note: str = ""

    @property
    def additive(self) -> bool:
        """True when the groups' figures add up to the total's."""
        return self.kind in (Kind.ROWS, Kind.SUM, Kind.LINE, Kind.MARGIN)


@dataclass(frozen=True)
class Dim:
    """Something to group by: one column, or an entity by its key and its label."""

    columns: tuple[Column, ...]
    covers: frozenset[int] = frozenset()
    score: float = 0.0
    part: str | None = None

    @property
    def key(self) -> Column:
        return self.columns[0]


@dataclass(frozen=True)
class Reading:
    """A complete interpretation against one base table (or one of its repeated fields)."""

    form: Form
    table: Table
    nest: Nest | None
    measures: tuple[Measure, ...]
    dims: tuple[Dim, ...] = ()
    filters: tuple[Filter, ...] = ()
    time: Column | None = None
    windows: tuple[Window, ...] = ()
    grain: str | None = None
    limit: int | None = None
    descending: bool = True
    threshold: tuple[str, int] | None = None
    steps: tuple[str, ...] = ()
    anomaly: str | None = None
    cumulative: bool = False
    by_change: bool = False
    score: float = 0.0
    uncovered: tuple[int, ...] = ()
    dropped: int | None = None
    """The one uncovered word, where it is known and only cannot be done."""
    soft: tuple[int, ...] = ()
    assumptions: tuple[str, ...] = ()
    blocked: frozenset[str] = field(default_factory=frozenset)

    @property
    def measure(self) -> Measure:
        return self.measures[0]

    def assuming(self, text: str) -> "Reading":
        return replace(self, assumptions=(*self.assumptions, text))
