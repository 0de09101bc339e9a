"""The pinned picture of the warehouse that the gate resolves names against.

Decides which tables, views, wildcard families and leaf columns exist, and which tags each leaf carries. It never
asks the warehouse: it is built once from metadata (a catalog file or BigQuery table resources), frozen, and
fingerprinted, so that a verdict can be repeated later against exactly the same names. Tags are kept as found
(`pii`, `policy-tag:<resource name>`, `label:<key>=<value>`); what they mean is for the policy to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict

from bq_copilot.canonical import digest, digest_bytes

Document: TypeAlias = Mapping[str, object]
Mode = Literal["NULLABLE", "REQUIRED", "REPEATED"]
Kind = Literal["table", "view", "materialized_view", "external", "snapshot"]

SYNONYMS = {
    "INTEGER": "INT64",
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "RECORD": "STRUCT",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
}
KINDS: Mapping[str, Kind] = {
    "VIEW": "view",
    "MATERIALIZED_VIEW": "materialized_view",
    "EXTERNAL": "external",
    "SNAPSHOT": "snapshot",
}
FROZEN = ConfigDict(frozen=True, extra="forbid")


class Column(BaseModel):
    """One column or nested field; `fields` is filled when the type is STRUCT."""

    model_config = FROZEN
    name: str
    type: str
    mode: Mode = "NULLABLE"
    description: str = ""
    tags: tuple[str, ...] = ()
    fields: tuple[Column, ...] = ()

    def field(self, name: str) -> Column | None:
        """Return the nested field of this name (GoogleSQL compares names without case), or None."""
        wanted = name.casefold()
        return next((f for f in self.fields if f.name.casefold() == wanted), None)


class Leaf(BaseModel):
    """One leaf of a table: its dotted path, its type, and every tag on it or on a parent."""

    model_config = FROZEN
    path: str
    type: str
    repeated_in: str | None = None
    tags: tuple[str, ...] = ()


class Table(BaseModel):
    """One table or view; `id` is `project.dataset.table`."""

    model_config = FROZEN
    id: str
    kind: Kind = "table"
    columns: tuple[Column, ...] = ()
    description: str = ""
    partition_by: str | None = None
    cluster_by: tuple[str, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    view_sql: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def dataset(self) -> str:
        """Return `project.dataset`."""
        return self.id.rsplit(".", 1)[0]

    def column(self, name: str) -> Column | None:
        """Return the top-level column of this name, or None."""
        wanted = name.casefold()
        return next((c for c in self.columns if c.name.casefold() == wanted), None)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Return every leaf in catalog order; a tag on a parent (or on the table) holds for each of its leaves."""
        return tuple(leaf for c in self.columns for leaf in _leaves(c, "", self.tags, None))

    @classmethod
    def from_resource(cls, resource: Document) -> Self:
        """Build a table from a BigQuery `tables` resource (`tables.get` JSON, or the sandbox's seed file)."""
        reference = _object(resource.get("tableReference"))
        identity = ".".join(str(reference[key]) for key in ("projectId", "datasetId", "tableId"))
        schema = _object(resource.get("schema"))
        partition = _object(resource.get("timePartitioning"))
        ranged = _object(resource.get("rangePartitioning"))
        view = _object(resource.get("view")) or _object(resource.get("materializedView"))
        return cls(
            id=identity,
            kind=KINDS.get(str(resource.get("type", "TABLE")), "view" if view else "table"),
            columns=tuple(_from_field(f) for f in _objects(schema.get("fields"))),
            description=str(resource.get("description") or ""),
            partition_by=_text(partition.get("field") or ranged.get("field")),
            cluster_by=tuple(str(f) for f in _list(_object(resource.get("clustering")).get("fields"))),
            rows=_count(resource.get("numRows")),
            bytes=_count(resource.get("numBytes")),
            view_sql=_text(view.get("query")),
            tags=_labels(resource),
        )


class Family(BaseModel):
    """A wildcard family `p.d.prefix_*`: which suffixes belong to it and which table gives its schema."""

    model_config = FROZEN
    pattern: str
    schema_of: str
    suffix_regex: str = r"^.+$"

    @property
    def prefix(self) -> str:
        """Return the pattern without its star."""
        return self.pattern.removesuffix("*")

    def holds(self, table_id: str) -> bool:
        """Say whether a concrete table belongs to this family."""
        rest = table_id.removeprefix(self.prefix)
        return rest != table_id and re.search(self.suffix_regex, rest) is not None


class Catalog(BaseModel):
    """All tables the gate may resolve against, in one frozen value."""

    model_config = FROZEN
    tables: tuple[Table, ...] = ()
    families: tuple[Family, ...] = ()
    default_project: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Return the digest over names, types, tags and view texts (not over sizes, which drift by the hour)."""
        skipped = {"rows", "bytes", "description"}
        ordered = sorted(self.tables, key=lambda t: t.id)
        tables = [digest_bytes(t.model_dump_json(exclude=skipped).encode()) for t in ordered]
        families = [f.model_dump(mode="json") for f in self.families]
        return digest({"tables": tables, "families": families, "default_project": self.default_project})

    @cached_property
    def _by_id(self) -> dict[str, Table]:
        return {t.id: t for t in self.tables}

    @cached_property
    def datasets(self) -> frozenset[str]:
        """Return every `project.dataset` that has a table here."""
        return frozenset(t.dataset for t in self.tables)

    def table(self, table_id: str) -> Table | None:
        """Return the table with exactly this id (BigQuery table names are case-sensitive), or None."""
        return self._by_id.get(table_id)

    def family(self, pattern: str) -> Family | None:
        """Return the family that contains every table of a `p.d.prefix*` pattern, or None."""
        asked = pattern.removesuffix("*")
        return next((f for f in self.families if asked.startswith(f.prefix)), None)

    def members(self, pattern: str) -> tuple[Table, ...]:
        """Return the listed tables that a `p.d.prefix*` pattern may read, the one that gives the schema included."""
        family = self.family(pattern)
        asked = pattern.removesuffix("*")
        return tuple(
            t
            for t in self.tables
            if family and (t.id == family.schema_of or (t.id.startswith(asked) and family.holds(t.id)))
        )

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Build a catalog from a catalog file (`tables`, `wildcard_families`, `pii_leaves`); raises ValueError."""
        marked = {k: {str(p) for p in _list(v)} for k, v in _object(document.get("pii_leaves")).items()}
        tables = tuple(
            _from_entry(name, _object(entry), marked.get(name, set()))
            for name, entry in _object(document.get("tables")).items()
        )
        if not tables:
            raise ValueError("the catalog document has no `tables`. Pass an object of table name to columns.")
        families = tuple(
            Family.model_validate({"pattern": pattern, **_family(_object(entry))})
            for pattern, entry in _object(document.get("wildcard_families")).items()
        )
        return cls(tables=tables, families=families, default_project=_text(document.get("default_project")))

    @classmethod
    def from_resources(cls, resources: Sequence[Document], families: Sequence[Family] = ()) -> Self:
        """Build a catalog from BigQuery `tables` resources."""
        return cls(tables=tuple(Table.from_resource(r) for r in resources), families=tuple(families))


def _leaves(column: Column, above: str, tags: tuple[str, ...], repeated: str | None) -> Iterator[Leaf]:
    path = f"{above}{column.name}"
    held = tuple(dict.fromkeys((*tags, *column.tags)))
    inside = path if column.mode == "REPEATED" else repeated
    if not column.fields:
        yield Leaf(path=path, type=column.type, repeated_in=inside, tags=held)
    for field in column.fields:
        yield from _leaves(field, f"{path}.", held, inside)


def _from_entry(name: str, entry: Document, marked: set[str]) -> Table:
    if name.count(".") < 2:
        raise ValueError(f"table {name!r} is not named project.dataset.table. Write its name in full.")
    return Table(
        id=name,
        kind=KINDS.get(str(entry.get("kind", "table")).upper(), "table"),
        columns=tuple(_from_column(c, "", marked) for c in _objects(entry.get("columns"))),
        description=str(entry.get("description") or ""),
        partition_by=_text(entry.get("partition_by")),
        rows=_count(entry.get("rows_est", entry.get("rows"))),
        bytes=_count(entry.get("bytes_est", entry.get("bytes"))),
        view_sql=_text(entry.get("view_sql")),
        tags=_strings(entry.get("tags")),
    )


def _from_column(entry: Document, above: str, marked: set[str]) -> Column:
    path = f"{above}{entry['name']}"
    tags = list(_strings(entry.get("tags")))
    if entry.get("pii") or path in marked:
        tags.insert(0, "pii")
    return Column(
        name=str(entry["name"]),
        type=_type(entry),
        mode=_mode(entry),
        description=str(entry.get("description") or ""),
        tags=tuple(dict.fromkeys((*tags, *_policy_tags(entry)))),
        fields=tuple(_from_column(f, f"{path}.", marked) for f in _objects(entry.get("fields"))),
    )


def _from_field(entry: Document) -> Column:
    return _from_column(entry, "", set())


def _type(entry: Document) -> str:
    name = str(entry["type"]).upper()
    element = _object(entry.get("rangeElementType")).get("type")
    return f"RANGE<{str(element).upper()}>" if name == "RANGE" and element else SYNONYMS.get(name, name)


def _mode(entry: Document) -> Mode:
    mode = str(entry.get("mode") or "NULLABLE").upper()
    if mode not in ("NULLABLE", "REQUIRED", "REPEATED"):
        raise ValueError(f"column {entry['name']!r} has mode {mode!r}. Use NULLABLE, REQUIRED or REPEATED.")
    return mode


def _policy_tags(entry: Document) -> list[str]:
    return [f"policy-tag:{n}" for n in _list(_object(entry.get("policyTags")).get("names"))]


def _labels(resource: Document) -> tuple[str, ...]:
    return tuple(f"label:{k}={v}" for k, v in sorted(_object(resource.get("labels")).items()))


def _family(entry: Document) -> dict[str, object]:
    return {k: entry[k] for k in ("schema_of", "suffix_regex") if k in entry}


def _strings(value: object) -> tuple[str, ...]:
    return tuple(str(v) for v in _list(value))


def _object(value: object) -> dict[str, object]:
    return dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return list(cast("Sequence[object]", value)) if isinstance(value, (list, tuple)) else []


def _objects(value: object) -> list[dict[str, object]]:
    return [_object(v) for v in _list(value)]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _count(value: object) -> int | None:
    return None if value is None else int(str(value))
