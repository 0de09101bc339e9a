"""Read the tables and leaf columns that a resolved statement touches, from Google's resolved tree.

Decides: the expected `tables` and `columns` of a corpus statement, so that a label can be checked by
something that shares no code with the gate. Never: what is allowed. A struct or an array that is used
as a value, or that passes through a select list, counts as a read of every leaf below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

UNTRACKED = frozenset({"parameter_list", "table", "column_list", "type"})
PASSES_THROUGH = {
    "ResolvedOutputColumnProto": "column",
    "ResolvedSetOperationItemProto": "output_column_list",
}
Path = tuple[int, ...]


@dataclass
class ReadSet:
    """Columns seen so far: where each comes from, and how it was used."""

    schema: dict[str, Any]
    tables: set[str] = field(default_factory=set)
    bases: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    elements: dict[int, tuple[int, Path]] = field(default_factory=dict)
    uses: list[tuple[int, Path]] = field(default_factory=list)

    def leaves(self) -> set[str]:
        """Every leaf read, as project.dataset.table.leaf; columns nobody names count as whole reads."""
        used = {column for column, _ in self.uses} | {column for column, _ in self.elements.values()}
        silent = [(column, ()) for column in self.bases if column not in used]
        return {leaf for use in [*self.uses, *silent] for leaf in self._below(*use)}

    def _below(self, column: int, path: Path) -> Iterator[str]:
        while column in self.elements:
            column, prefix = self.elements[column]
            path = prefix + path
        if column in self.bases:
            table, spec = self.bases[column]
            yield from _expand(f"{table}.", spec, path)


def _expand(prefix: str, spec: dict[str, Any], path: Path) -> Iterator[str]:
    fields = spec.get("fields") or []
    name = f"{prefix}{spec['name']}"
    if path and fields:
        yield from _expand(f"{name}.", fields[path[0]], path[1:])
    elif fields:
        for inner in fields:
            yield from _expand(f"{name}.", inner, ())
    else:
        yield name


def read_set(tree: Any, schema: dict[str, Any]) -> ReadSet:
    """Walk one resolved statement."""
    found = ReadSet(schema)
    _walk(tree, found)
    return found


def _walk(node: Any, found: ReadSet) -> None:
    name = node.DESCRIPTOR.name
    if name == "ResolvedTableScanProto":
        _table(node, found)
    elif (use := _path(node)) is not None:
        found.uses.append(use)
        return
    elif name == "ResolvedArrayScanProto":
        _array(node, found)
        return
    elif name in PASSES_THROUGH:
        columns = getattr(node, PASSES_THROUGH[name])
        for column in [columns] if hasattr(columns, "column_id") else columns:
            found.uses.append((column.column_id, ()))
    elif name in ("ResolvedWithEntryProto", "ResolvedSubqueryExprProto"):
        scan = node.with_subquery if name == "ResolvedWithEntryProto" else node.subquery
        found.uses.extend((column.column_id, ()) for column in _columns(scan))
    _children(node, found, skip=frozenset())


def _children(node: Any, found: ReadSet, skip: frozenset[str]) -> None:
    for slot, value in node.ListFields():
        if slot.message_type is None or slot.name in UNTRACKED or slot.name in skip:
            continue
        for child in value if isinstance(value, list) or hasattr(value, "add") else [value]:
            _walk(child, found)


def _table(node: Any, found: ReadSet) -> None:
    full = node.table.full_name
    found.tables.add(full)
    specs = {spec["name"]: spec for spec in _spec(full, found.schema)}
    for column in node.parent.column_list:
        if column.name in specs:
            found.bases[column.column_id] = (full, specs[column.name])


def _spec(full: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    if full in schema["tables"]:
        return schema["tables"][full]["columns"]
    family = next(iter(schema["wildcard_families"].values()))
    return schema["tables"][family["schema_of"]]["columns"]


def _array(node: Any, found: ReadSet) -> None:
    for expression, element in zip(node.array_expr_list, node.element_column_list, strict=True):
        if (source := _path(expression)) is None:
            _walk(expression, found)
        else:
            found.elements[element.column_id] = source
    _children(node, found, skip=frozenset({"array_expr_list", "element_column_list"}))


def _path(node: Any) -> tuple[int, Path] | None:
    """A column reference behind any number of struct field accesses, or None."""
    name = node.DESCRIPTOR.name
    if name.startswith("AnyResolved"):
        slot = node.WhichOneof("node")
        return _path(getattr(node, slot)) if slot else None
    if name == "ResolvedColumnRefProto":
        return node.column.column_id, ()
    if name == "ResolvedGetStructFieldProto" and (below := _path(node.expr)) is not None:
        return below[0], (*below[1], node.field_idx)
    if name == "ResolvedFunctionCallProto":
        call = node.parent  # array[OFFSET(n)] is a call whose first argument is the array
        if call.function.name.startswith("ZetaSQL:$") and "array_at_" in call.function.name:
            return _path(call.argument_list[0])
    return None


def _columns(scan: Any) -> list[Any]:
    while not hasattr(scan, "column_list"):
        slot = scan.WhichOneof("node") if scan.DESCRIPTOR.name.startswith("Any") else None
        scan = getattr(scan, slot) if slot else scan.parent
    return list(scan.column_list)
