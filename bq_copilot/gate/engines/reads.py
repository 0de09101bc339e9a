"""Reads tables and leaves out of the analyzer's resolved tree.

Decides what the second engine's tree says was read, with two bounds: `surely` is everything that an expression, an
output or a set operation uses; `possibly` adds columns that a select list only passes on. It knows nothing of our
own resolver, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bq_copilot.catalog import Catalog
from bq_copilot.gate.port import EngineRefusal, SecondReading
from bq_copilot.gate.values import Value, scalar, stored

INDEXING = frozenset(
    (
        "ZetaSQL:$array_at_offset",
        "ZetaSQL:$array_at_ordinal",
        "ZetaSQL:$safe_array_at_offset",
        "ZetaSQL:$safe_array_at_ordinal",
        "ZetaSQL:$subscript",
    )
)


class Walk:
    """One walk over one resolved statement."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._origins: dict[int, Value] = {}
        self._with: dict[str, list[int]] = {}
        self.tables: set[str] = set()
        self.surely: set[str] = set()
        self.passed: set[str] = set()

    def statement(self, answer: Any) -> SecondReading:
        """Return the reading of an analyzed statement; raises `EngineRefusal` when it is no query."""
        if answer.WhichOneof("node") != "resolved_query_stmt_node":
            raise EngineRefusal("it is not a query")
        query = answer.resolved_query_stmt_node
        self.visit(query.query)
        self._use(output.column.column_id for output in query.output_column_list)
        tables, surely = frozenset(self.tables), frozenset(self.surely)
        return SecondReading(tables, surely, surely | self.passed)

    def visit(self, node: Any) -> None:
        """Walk a message and everything below it."""
        name = node.DESCRIPTOR.name
        special = SPECIAL.get(name)
        if special is not None:
            special(self, node)
        else:
            self._below(node)

    def _below(self, node: Any, skipped: tuple[str, ...] = ()) -> None:
        """Walk what is below a message, scans first: they bind the columns that expressions use."""
        for field, value in sorted(node.ListFields(), key=_scans_first):
            if field.message_type is None or field.name in skipped or _is_type(field.message_type.name):
                continue
            for item in _items(value):
                self.visit(item)

    def _use(self, ids: Iterable[int]) -> None:
        for column_id in ids:
            self.surely |= self._leaves(column_id)

    def _leaves(self, column_id: int) -> frozenset[str]:
        return self._origins[column_id].leaves if column_id in self._origins else frozenset()

    def table_scan(self, node: Any) -> None:
        """Bind the columns of a table scan to their places in the catalog."""
        name = node.table.full_name or node.table.name
        self.tables.add(name)
        family = self._catalog.family(name) if "*" in name else None
        table = self._catalog.table(family.schema_of if family else name)
        if table is None:
            raise EngineRefusal("it reads a table that the catalog does not have")
        for column in node.parent.column_list:
            found = table.column(column.name)
            self._origins[column.column_id] = scalar() if found is None else stored(name, found)
        self._below(node, ("parent", "table"))

    def array_scan(self, node: Any) -> None:
        """Bind the element of an unnested path to the path; anything else is read."""
        if node.HasField("input_scan"):
            self.visit(node.input_scan)
        elements = list(node.element_column_list)
        for at, expression in enumerate(node.array_expr_list):
            place = self._place(expression)
            if place is None or at >= len(elements):
                self.visit(expression)
            elif place.element is not None:
                self._origins[elements[at].column_id] = place.element
            else:
                self.surely |= place.leaves
        self._below(node, ("parent", "input_scan", "array_expr_list"))

    def project_scan(self, node: Any) -> None:
        """Expressions are read; plain columns and paths of the list are only passed on."""
        self._below(node, ("expr_list",))
        for computed in node.expr_list:
            place = self._place(computed.expr)
            if place is None:
                self.visit(computed)
            else:
                self._origins[computed.column.column_id] = place
        for column in node.parent.column_list:
            self.passed |= self._leaves(column.column_id)

    def set_item(self, node: Any) -> None:
        """What a branch of a set operation puts out is read."""
        self._below(node)
        self._use(column.column_id for column in node.output_column_list)

    def with_scan(self, node: Any) -> None:
        """Remember what each WITH name puts out, then walk the query."""
        for entry in node.with_entry_list:
            self.visit(entry.with_subquery)
            self._with[entry.with_query_name] = [c.column_id for c in _columns(entry.with_subquery)]
        self.visit(node.query)

    def with_ref(self, node: Any) -> None:
        """Columns of a WITH reference are the columns of its query, by position."""
        inner = self._with.get(node.with_query_name, [])
        outer = [c.column_id for c in node.parent.column_list]
        if len(inner) != len(outer):
            raise EngineRefusal("a WITH name changes its columns")
        for new, old in zip(outer, inner, strict=True):
            if old in self._origins:
                self._origins[new] = self._origins[old]

    def subquery(self, node: Any) -> None:
        """A subquery's columns are used, except by EXISTS; its parameter list repeats what is inside."""
        self._below(node, ("parent", "parameter_list"))
        if node.subquery_type != EXISTS:
            self._use(column.column_id for column in _columns(node.subquery))

    def unpivot(self, node: Any) -> None:
        """Columns that an UNPIVOT leaves alone are passed on under new ids."""
        self._below(node, ("projected_input_column_list",))
        for item in node.projected_input_column_list:
            place = self._place(item.expr)
            if place is not None:
                self._origins[item.column.column_id] = place

    def path(self, node: Any, wrapper: Any = None) -> None:
        """Read the whole place that a path names."""
        place = self._path_of(node)
        if place is None:
            self._below(node)
        else:
            self.surely |= place.leaves

    def _place(self, wrapped: Any) -> Value | None:
        inner = _unwrapped(wrapped)
        return self._path_of(inner) if inner is not None else None

    def _path_of(self, node: Any) -> Value | None:
        """Return the stored place of a column, a field of one, or an element of one; other inputs are walked."""
        match node.DESCRIPTOR.name:
            case "ResolvedColumnRefProto":
                return self._origins.get(node.column.column_id, scalar())
            case "ResolvedGetStructFieldProto":
                return _field(self._place(node.expr), int(node.field_idx))
            case "ResolvedGetJsonFieldProto":
                return self._place(node.expr)
            case "ResolvedFunctionCallProto" if node.parent.function.name in INDEXING:
                first, *rest = node.parent.argument_list
                base = self._place(first)
                for index in rest if base is not None else []:
                    self.visit(index)
                return None if base is None else base.element or base
            case _:
                return None


SPECIAL: dict[str, Any] = {
    "ResolvedTableScanProto": Walk.table_scan,
    "ResolvedArrayScanProto": Walk.array_scan,
    "ResolvedProjectScanProto": Walk.project_scan,
    "ResolvedSetOperationItemProto": Walk.set_item,
    "ResolvedWithScanProto": Walk.with_scan,
    "ResolvedWithRefScanProto": Walk.with_ref,
    "ResolvedSubqueryExprProto": Walk.subquery,
    "ResolvedUnpivotScanProto": Walk.unpivot,
    "ResolvedColumnRefProto": Walk.path,
    "ResolvedGetStructFieldProto": Walk.path,
    "ResolvedGetJsonFieldProto": Walk.path,
    "ResolvedFunctionCallProto": Walk.path,
}
EXISTS = 2
"""`ResolvedSubqueryExprEnums.EXISTS`; checked against the package in a test."""


def _field(base: Value | None, at: int) -> Value | None:
    if base is None or not 0 <= at < len(base.fields):
        return base
    return base.fields[at][1]


def _items(value: Any) -> list[Any]:
    return list(value) if hasattr(value, "__len__") and not hasattr(value, "DESCRIPTOR") else [value]


def _scans_first(entry: tuple[Any, Any]) -> bool:
    kind = entry[0].message_type
    return kind is None or not kind.name.endswith(("ScanProto", "SetOperationItemProto"))


def _is_type(name: str) -> bool:
    return name in ("TypeProto", "AnnotationMapProto", "ResolvedColumnProto", "FunctionSignatureProto")


def _unwrapped(node: Any) -> Any:
    """Return the concrete node inside `Any…Proto` wrappers, or None when there is none."""
    while node.DESCRIPTOR.name.startswith("Any"):
        which = node.WhichOneof("node")
        if which is None:
            return None
        node = getattr(node, which)
    return node


def _columns(wrapped: Any) -> list[Any]:
    """Return the column list of a scan, through its chain of parents."""
    node = _unwrapped(wrapped)
    while node is not None and "column_list" not in node.DESCRIPTOR.fields_by_name:
        node = node.parent if "parent" in node.DESCRIPTOR.fields_by_name else None
    return list(node.column_list) if node is not None else []
