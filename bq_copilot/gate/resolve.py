"""L3, queries: scopes, select lists, and what each clause reads.

Decides in which scope every clause is resolved and which columns a query puts out. It never decides policy: it
leaves tables, leaves and findings in its trace. Every clause that it does not look at is refused, so a new kind of
clause in the parser cannot carry a read past it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sqlglot import exp

from bq_copilot.catalog import Catalog, Table
from bq_copilot.gate import costs
from bq_copilot.gate.expressions import name_of, nodes, read, read_all
from bq_copilot.gate.lexer import words
from bq_copilot.gate.relations import add_from, refuse_unknown_parts
from bq_copilot.gate.scope import Relation, Scope, Size, Unresolved
from bq_copilot.gate.star import expand
from bq_copilot.gate.trace import Trace
from bq_copilot.gate.values import Value, combined, scalar, struct_of, unknown
from bq_copilot.policy import Policy

SELECT_PARTS = words(
    """
    with_ kind expressions distinct from_ joins where group having qualify windows order limit offset
    """
)
SET_PARTS = words(
    """
    with_ this expression distinct by_name side kind on order limit offset match_condition
    """
)
WRAPPER_PARTS = frozenset({"this", "with_", "alias", "order", "limit", "offset", "pivots", "sample"})
PIPE_STEP = re.compile(r"__pipe\d+")


class Resolver:
    """One walk over one statement."""

    def __init__(self, catalog: Catalog, policy: Policy, view_check: Callable[[Table], str | None]) -> None:
        self.catalog, self.policy, self._view_check = catalog, policy, view_check
        self.trace = Trace()
        self.ctes: dict[str, Relation] = {}

    def statement(self, root: exp.Expr) -> Relation:
        """Resolve a whole statement; what it puts out counts as read."""
        result = self.query(root, None)
        result.columns = [(name, self.trace.consume(value, root)) for name, value in result.columns]
        return result

    def scalar_query(self, node: exp.Expr, scope: Scope) -> Value:
        """Resolve a subquery used as a value and return that value."""
        result = self.query(node, scope)
        if result.row is not None:
            return result.row
        return result.columns[0][1] if len(result.columns) == 1 else unknown(result.whole().leaves)

    def query(self, node: exp.Expr, parent: Scope | None, *, output: bool = True) -> Relation:
        """Resolve a query in the scope around it and return its columns, consumed if they are put out."""
        with self._with_clause(node):
            match node:
                case exp.Select():
                    result = self._select(node, parent)
                case exp.SetOperation():
                    result = self._set_operation(node, parent)
                case exp.Subquery():
                    refuse_unknown_parts(self, node, WRAPPER_PARTS)
                    result = self.query(node.this, parent)
                    self._tail(node, Scope(relations=[result], parent=parent))
                    result = self._limited(node, result)
                case _:
                    self.trace.refuse("P17", "construct", node, "this kind of query")
                    return Relation("", [], row=unknown())
        return result

    def unresolved(self, fault: Unresolved, node: exp.Expr) -> None:
        """Record a name that does not resolve."""
        self.trace.refuse("P17", "unresolved", node, fault.subject, reason=fault.reason)

    def check_view(self, table: Table, node: exp.Expr) -> None:
        """Refuse a view that cannot be expanded or whose base tables are not allowed."""
        reason = self._view_check(table)
        if reason is not None:
            self.trace.refuse("P03", "view", node, table.id, reason=reason)

    @contextmanager
    def _with_clause(self, node: exp.Expr) -> Generator[None]:
        clause, before = node.args.get("with_"), self.ctes
        if isinstance(clause, exp.With):
            if clause.recursive:
                self.trace.refuse("P12", "recursive", clause)
            self.ctes = dict(before)
            for cte in clause.expressions:
                self._add_cte(cte)
        yield
        self.ctes = before

    def _add_cte(self, cte: exp.Expr) -> None:
        refuse_unknown_parts(self, cte, frozenset({"this", "alias"}))
        alias = cte.args.get("alias")
        if not isinstance(alias, exp.TableAlias) or alias.args.get("columns"):
            self.trace.refuse("P17", "construct", cte, "a column list of a WITH name")
        self.ctes[cte.alias.casefold()] = self.query(cte.this, None)

    def _select(self, node: exp.Select, parent: Scope | None) -> Relation:
        refuse_unknown_parts(self, node, SELECT_PARTS)
        scope = Scope(parent=parent)
        add_from(self, node, scope)
        where = node.args.get("where")
        if isinstance(where, exp.Expr):
            read_all(self, where, scope)
        columns = self._items(node, scope)
        self._tail(node, self._with_aliases(node, scope, columns))
        for window in nodes(node, "windows"):
            read_all(self, window, scope)
        costs.check_joins(self.trace, node, scope, self.policy.limits.generated_elements)
        costs.check_partitions(self.trace, self.catalog, node, scope)
        return self._result(node, columns, scope)

    def _items(self, node: exp.Select, scope: Scope) -> list[tuple[str, Value]]:
        lazy = self._is_pipe_step(node)
        columns: list[tuple[str, Value]] = []
        for item in node.expressions:
            star = expand(self, item, scope)
            if star is None:
                columns.append((name_of(item), read(self, item.unalias(), scope)))
            else:
                columns += star if lazy else [(n, self.trace.consume(v, item)) for n, v in star]
        return columns

    @staticmethod
    def _is_pipe_step(node: exp.Select) -> bool:
        """A star that the pipe rewriter wrote only passes columns on; what a later step uses counts as read."""
        holder = node.parent
        named = isinstance(holder, exp.CTE) and PIPE_STEP.fullmatch(holder.alias) is not None
        return named and not node.args.get("distinct")

    def _with_aliases(self, node: exp.Select, scope: Scope, columns: list[tuple[str, Value]]) -> Scope:
        """GROUP BY and later clauses see select aliases before columns."""
        named = {item.alias.casefold() for item in node.expressions if isinstance(item, exp.Alias)}
        aliases = {name.casefold(): value for name, value in columns if name.casefold() in named}
        return Scope(scope.relations, scope.parent, aliases, scope.merged)

    def _tail(self, node: exp.Expr, scope: Scope) -> None:
        for key in ("group", "having", "qualify", "order", "limit", "offset"):
            clause = node.args.get(key)
            if isinstance(clause, exp.Expr):
                read_all(self, clause, scope)

    def _result(self, node: exp.Select, columns: list[tuple[str, Value]], scope: Scope) -> Relation:
        size = costs.size_of(node, scope)
        result = Relation("", columns, size=size, elements=costs.elements_in(scope, size))
        kind = str(node.args.get("kind") or "").upper()
        if kind == "STRUCT":
            result.row = struct_of(columns)
        elif kind == "VALUE" and len(columns) == 1:
            result.row = columns[0][1]
            result.columns = list(result.row.fields) or columns
        elif kind:
            self.trace.refuse("P17", "construct", node, "SELECT AS " + kind)
        return result

    def _set_operation(self, node: exp.SetOperation, parent: Scope | None) -> Relation:
        refuse_unknown_parts(self, node, SET_PARTS)
        left = self.query(node.this, parent)
        right = self.query(node.expression, parent)
        sides = [[self.trace.consume(v, node) for _, v in side.columns] for side in (left, right)]
        if node.args.get("by_name") or len(sides[0]) != len(sides[1]):
            both = combined([*sides[0], *sides[1]]).leaves
            names = dict.fromkeys(name for side in (left, right) for name, _ in side.columns)
            columns = [(name, scalar(both)) for name in names]
        else:
            pairs = zip(left.columns, sides[0], sides[1], strict=True)
            columns = [(name, combined((a, b))) for (name, _), a, b in pairs]
        size = max(left.size, right.size, Size.SMALL)
        result = Relation("", columns, size=size, elements=left.elements + right.elements)
        if left.row is not None:
            result.row = combined((left.row, right.whole()))
        self._tail(node, Scope(relations=[result]))
        return self._limited(node, result)

    @staticmethod
    def _limited(node: exp.Expr, result: Relation) -> Relation:
        result.size = min(result.size, costs.limit_size(node))
        return result
