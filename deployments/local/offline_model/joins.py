"""How one table is reached from another: equally named key columns, always from many rows to one.

Decides whether a column can be attached to a base without multiplying the base's rows. Never proposes a join that
fans out, and never one without an equality (the gate refuses unlinked joins). Breadth first, at most two steps.
"""

from dataclasses import dataclass

from deployments.local.offline_model.schema_view import Column, Schema, Table

MAX_STEPS = 2


@dataclass(frozen=True)
class Step:
    """From `left.path` to the key of table `right`."""

    left: str
    left_path: str
    right: str
    right_path: str


@dataclass(frozen=True)
class Nest:
    """A repeated field that is unnested: the table that owns it and its path there."""

    owner: str
    path: str


Path = tuple[Step, ...]


def is_unique(column: Column, table: Table) -> bool:
    """True when the column names at most one row of the table."""
    if table.key is not None and table.key.path == column.path:
        return True
    profile = column.profile
    return bool(profile and profile.distinct and profile.distinct == table.rows)


def steps_from(schema: Schema, table: Table, array: str | None) -> tuple[Step, ...]:
    """Every join to a table whose key has the name of one of this table's key columns."""
    keys = [c for c in table.columns if c.is_key and (c.array is None or c.array == array)]
    return tuple(
        Step(table.id, key.path, other.id, other.key.path)
        for key in sorted(keys, key=lambda c: c.array is None)
        for other in schema.tables
        if other.id != table.id and other.key is not None and _same(key, other.key, other)
    )


def _same(key: Column, target: Column, other: Table) -> bool:
    if key.type != target.type:
        return False
    return key.leaf == target.leaf or (target.leaf == "id" and key.leaf.removesuffix("_id") in _singulars(other))


def _singulars(table: Table) -> set[str]:
    return {table.name, table.name.removesuffix("s"), table.name.removesuffix("es")}


def path_to(schema: Schema, base: Table, nest: Nest | None, target: str) -> Path | None:
    """The shortest chain of joins from the base to the target table; () for the base itself."""
    if base.id == target:
        return ()
    frontier: list[tuple[Path, Table]] = [((), base)]
    seen = {base.id}
    for _ in range(MAX_STEPS):
        following: list[tuple[Path, Table]] = []
        for path, table in frontier:
            inside = nest.path if nest and nest.owner == table.id else None
            for step in steps_from(schema, table, inside):
                if step.right == target:
                    return (*path, step)
                if step.right not in seen:
                    seen.add(step.right)
                    following.append(((*path, step), schema.table(step.right)))
        frontier = following
    return None


def distance(schema: Schema, base: Table, nest: Nest | None, column: Column) -> int | None:
    """Joins needed to read the column from the base; None when it is out of reach without a fan-out."""
    if column.array is not None and (nest is None or (column.table, column.array) != (nest.owner, nest.path)):
        return None
    path = path_to(schema, base, nest, column.table)
    return None if path is None else len(path)
