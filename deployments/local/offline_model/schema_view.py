"""Tables and columns as the planner sees them: what each column is for, and which values its description names.

Decides the role of a column (key, time, number, flag, category) from its type and name, and reads enumerated
values out of descriptions. Never exposes a restricted column to the rest of the planner. Built only from
`list_tables`, `describe_table` and `profile_column` results, so it holds for any schema.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from deployments.local.offline_model.conversation import Conversation, Json
from deployments.local.offline_model.words import stem, stems_of, word_set

NUMERIC = frozenset({"INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "INTEGER", "FLOAT", "DECIMAL"})
TEMPORAL = frozenset({"DATE", "TIMESTAMP", "DATETIME"})
_KEY_ENDINGS = ("_id", "_key", "_code", "_no", "_number", "_sk")
_LEAD = re.compile(r"(?:\bone of|\beither|\bvalues?(?: are)?:|\be\.g\.|\bsuch as|\bfor example|:)\s*", re.I)
_FILLER = word_set(
    """the a an of to in for on is are was were and or with by at from as it its this that one each see not be who how
    what when day date time number key true false which per"""
)
_LABELS = ("name", "title", "label", "full_name", "display_name")


@dataclass(frozen=True)
class Profile:
    """What `profile_column` said about one column."""

    distinct: int | None
    minimum: object
    maximum: object
    top: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Column:
    """A readable leaf column; `path` is dotted, `array` the repeated parent that must be unnested."""

    table: str
    path: str
    type: str
    mode: str
    array: str | None
    description: str
    profile: Profile | None = None

    @property
    def leaf(self) -> str:
        return self.path.rsplit(".", 1)[-1]

    @property
    def parents(self) -> str:
        return self.path.rsplit(".", 1)[0] if "." in self.path else ""

    @cached_property
    def words(self) -> frozenset[str]:
        return stems_of(self.leaf)

    @cached_property
    def parent_words(self) -> frozenset[str]:
        return stems_of(self.parents) if self.parents else frozenset()

    @cached_property
    def aliases(self) -> frozenset[str]:
        """Other names that the description gives in brackets, as in `Order value (revenue, sales)`."""
        return _bracketed(self.description.split(":")[0] if self.is_category else self.description)

    @cached_property
    def flag_names(self) -> tuple[frozenset[str], frozenset[str]]:
        """Bracketed names that the description gives a flag's true and false."""
        yes, _, no = self.description.partition("false")
        return _bracketed(yes), _bracketed(no)

    @cached_property
    def head(self) -> frozenset[str]:
        """Words of the description's first clause, which says what the column is."""
        return stems_of(re.split(r"[:.;,(]", self.description, maxsplit=1)[0]) - _FILLER

    @cached_property
    def note(self) -> frozenset[str]:
        return stems_of(self.description)

    @cached_property
    def is_key(self) -> bool:
        return self.leaf == "id" or self.leaf.endswith(_KEY_ENDINGS)

    @property
    def is_time(self) -> bool:
        return self.type in TEMPORAL

    @property
    def is_flag(self) -> bool:
        return self.type in ("BOOL", "BOOLEAN")

    @property
    def is_number(self) -> bool:
        return self.type in NUMERIC and not self.is_key

    @property
    def is_category(self) -> bool:
        return self.type == "STRING" and not self.is_key

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Values that the description or the profile names, in their order."""
        return tuple(self.value_aliases)

    @cached_property
    def value_groups(self) -> dict[str, tuple[str, ...]]:
        """Names for several values at once, as in `Online means web and app`."""
        return value_groups(self.description, self.values)

    @cached_property
    def value_aliases(self) -> dict[str, tuple[str, ...]]:
        """Each known value with the other names that the description gives it in brackets."""
        named = described_values(self.description) if self.is_category else {}
        seen = [v for v, _ in self.profile.top] if self.profile and self.is_category else []
        return named | {v: () for v in seen if v not in named}


@dataclass(frozen=True)
class Table:
    """A described table; restricted columns are kept by name only, to say why they are not used."""

    id: str
    description: str
    rows: int
    partition_by: str | None
    columns: tuple[Column, ...]
    restricted: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.id.rsplit(".", 1)[-1]

    @cached_property
    def words(self) -> frozenset[str]:
        return stems_of(self.name)

    @cached_property
    def note(self) -> frozenset[str]:
        return stems_of(self.description)

    def column(self, path: str) -> Column | None:
        return next((c for c in self.columns if c.path == path), None)

    @cached_property
    def key(self) -> Column | None:
        """The column that names one row: `<table>_id` in the table itself, or plain `id`."""
        tops = [c for c in self.columns if c.is_key and c.array is None]
        for column in tops:
            if column.leaf == "id" or stem(re.sub(r"_[a-z]+$", "", column.leaf)) == self._singular:
                return column
        return None

    @cached_property
    def _singular(self) -> str:
        return "_".join([*self.name.split("_")[:-1], stem(self.name.split("_")[-1])])

    @cached_property
    def label(self) -> Column | None:
        """A readable name for one row, if the table has one that is not restricted."""
        tops = [c for c in self.columns if c.type == "STRING" and c.array is None]
        return next((c for n in _LABELS for c in tops if c.leaf in (n, f"{self._singular}_{n}")), None)

    @cached_property
    def time(self) -> Column | None:
        """The column that time windows are applied to: the partition, else the first date."""
        times = [c for c in self.columns if c.is_time and c.array is None]
        chosen = next((c for c in times if c.path == self.partition_by), None)
        return chosen or next((c for c in times if c.type == "DATE"), None) or (times[0] if times else None)


@dataclass(frozen=True)
class Listed:
    """A table that was listed but not necessarily described."""

    id: str
    description: str
    rows: int = 0

    @property
    def name(self) -> str:
        return self.id.rsplit(".", 1)[-1]


@dataclass(frozen=True)
class Schema:
    """All that is known about the data at this turn."""

    listed: tuple[Listed, ...] = ()
    tables: tuple[Table, ...] = ()
    truncated: bool = False
    tried: frozenset[str] = field(default_factory=frozenset)

    def table(self, table_id: str) -> Table:
        return next(t for t in self.tables if t.id == table_id)

    @property
    def undescribed(self) -> tuple[Listed, ...]:
        return tuple(t for t in self.listed if t.id not in self.tried)


def read_schema(conversation: Conversation) -> Schema:
    """Collect every listing, description and profile of the conversation."""
    listings = conversation.answered("list_tables")
    listed = {
        t["table"]: Listed(t["table"], str(t.get("description") or ""), int(t.get("rows") or 0))
        for e in listings
        for t in e.data.get("tables", [])
        if isinstance(t, dict) and t.get("table")
    }
    profiles = {
        (str(e.data.get("table")), str(e.data.get("column"))): _profile(e.data)
        for e in conversation.answered("profile_column")
    }
    described = conversation.of("describe_table")
    tables = {e.data["table"]: _table(e.data, profiles) for e in described if e.ok and e.data.get("table")}
    return Schema(
        listed=tuple(listed.values()),
        tables=tuple(tables.values()),
        truncated=bool(listings and listings[-1].data.get("truncated")),
        tried=frozenset(str(e.arguments.get("table")) for e in described) | frozenset(tables),
    )


def _table(data: Json, profiles: dict[tuple[str, str], Profile]) -> Table:
    table_id = str(data["table"])
    raw = [c for c in data.get("columns", []) if isinstance(c, dict) and c.get("name")]
    leaves = [c for c in raw if c.get("type") not in ("STRUCT", "RECORD")]
    return Table(
        id=table_id,
        description=str(data.get("description") or ""),
        rows=int(data.get("rows") or 0),
        partition_by=data.get("partition_by"),
        columns=tuple(_column(table_id, c, profiles) for c in leaves if not c.get("restricted")),
        restricted=tuple((str(c["name"]), str(c.get("description") or "")) for c in raw if c.get("restricted")),
    )


def _column(table_id: str, raw: Json, profiles: dict[tuple[str, str], Profile]) -> Column:
    path = str(raw["name"])
    array = raw.get("repeated_in")
    if array is None and raw.get("mode") == "REPEATED":
        array = path
    return Column(
        table=table_id, path=path, type=str(raw.get("type", "")).upper(), mode=str(raw.get("mode") or ""),
        array=array, description=str(raw.get("description") or ""), profile=profiles.get((table_id, path)),
    )  # fmt: skip


def _profile(data: Json) -> Profile:
    top = tuple(
        (str(t["value"]), int(t.get("count") or 0))
        for t in data.get("top") or []
        if isinstance(t, dict) and t.get("value") is not None
    )
    return Profile(data.get("distinct"), data.get("min"), data.get("max"), top)


@lru_cache(maxsize=4096)
def _bracketed(text: str) -> frozenset[str]:
    groups = re.findall(r"\(([^()]{2,80})\)", text)
    return frozenset[str]().union(*(stems_of(g) for g in groups)) - _FILLER


@lru_cache(maxsize=4096)
def value_groups(text: str, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Names that a description gives to several of the values together."""
    found: dict[str, tuple[str, ...]] = {}
    if not values:
        return found
    for match in re.finditer(r"(\w+) (?:means|covers|is|are|stands for) ([\w, ]+)", text):
        parts = tuple(p.strip() for p in re.split(r",|\band\b|\bor\b", match[2]) if p.strip())
        if len(parts) > 1 and set(parts) <= set(values):
            found[match[1].lower()] = parts
    return found


@lru_cache(maxsize=4096)
def described_values(text: str) -> dict[str, tuple[str, ...]]:
    """Values that a description enumerates, in order, with their bracketed other names.

    Understood are quoted values, `a | b | c`, and lists after a colon, `one of`, `for example` and their kin.
    """
    quoted = re.findall(r"[`'\"]([^`'\"]{1,40})[`'\"]", text)
    if len(quoted) >= 2:
        return dict.fromkeys(quoted, ())
    barred = re.search(r"[\w-]+(?: ?\| ?[\w-]+)+", text)
    if barred:
        return {p.strip(): () for p in barred.group().split("|")}
    for lead in _LEAD.finditer(text):
        parts = _parts(text[lead.end() :])
        if len(parts) >= 2 and all(len(p.split()) <= 3 for p in parts):
            return parts
    return {}


def _parts(text: str) -> dict[str, tuple[str, ...]]:
    sentence = re.split(r"[.;:](?![^(]*\))(?=\s|$)", text, maxsplit=1)[0]
    listed = re.split(r",\s*(?![^(]*\))|\s*(?:->|→)\s*", sentence)
    pieces = [*listed[:-1], *re.split(r"(?:^|\s+)(?:or|and)\s+(?![^(]*\))", listed[-1])]
    found: dict[str, tuple[str, ...]] = {}
    for piece in pieces:
        match = re.fullmatch(r"\s*(\([^)]*\)|[^()]*?)\s*(?:\(([^()]*)\))?\s*", piece)
        if match and (value := match[1].strip(" `'\"")):
            found[value] = tuple(a.strip() for a in re.split(r",| or ", match[2] or "") if a.strip())
    return found
