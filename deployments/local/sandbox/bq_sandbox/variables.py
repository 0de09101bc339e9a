"""Script variables: DECLARE and SET, and their values inside later statements.

Decides that a variable is a constant expression put in place of its name. Control flow is not run here, so a value
is known the moment it is set.
"""

from __future__ import annotations

from sqlglot import exp

from bq_sandbox.refusals import invalid_query


class Variables:
    """The variables of one script run."""

    def __init__(self) -> None:
        self._values: dict[str, exp.Expression] = {}
        self._types: dict[str, exp.DataType] = {}

    def substitute(self, tree: exp.Expression) -> exp.Expression:
        """A copy of the tree with each variable's name replaced by its value."""
        if not self._values:
            return tree.copy()

        def replace(node: exp.Expression) -> exp.Expression:
            if isinstance(node, exp.Column) and not node.table and node.name.lower() in self._values:
                return self._values[node.name.lower()].copy()
            return node

        return tree.transform(replace)

    def declare(self, tree: exp.Declare) -> list[tuple[str, exp.Expression]]:
        """Names with the expressions that give their first values."""
        pending: list[tuple[str, exp.Expression]] = []
        for item in tree.expressions:
            names = item.this if isinstance(item.this, list) else [item.this]
            kind, default = item.args.get("kind"), item.args.get("default")
            for name in names:
                key = name.name.lower()
                if key in self._values:
                    raise invalid_query(f"Variable {name.name} was declared twice")
                if kind is not None:
                    self._types[key] = kind
                pending.append((key, self._typed(key, default or exp.null())))
        return pending

    def assignments(self, tree: exp.Set) -> list[tuple[str, exp.Expression]]:
        """Names with the expressions that give their new values."""
        pending: list[tuple[str, exp.Expression]] = []
        for item in tree.expressions:
            target, value = item.this.this, item.this.expression
            key = target.name.lower()
            if key not in self._values:
                raise invalid_query(f"Undeclared variable: {target.name}")
            pending.append((key, self._typed(key, value)))
        return pending

    def foresee(self, tree: exp.Expression) -> None:
        """Take note of a DECLARE or SET without evaluating it: a declared variable is a NULL of its type."""
        if isinstance(tree, exp.Declare):
            for name, value in self.declare(tree):
                self.assign(name, exp.null() if name in self._types else value)
        elif isinstance(tree, exp.Set):
            self.assignments(tree)

    def assign(self, name: str, value: exp.Expression) -> None:
        """Give a variable its value."""
        self._values[name] = self._typed(name, value)

    def _typed(self, name: str, value: exp.Expression) -> exp.Expression:
        kind = self._types.get(name)
        return exp.Cast(this=value.copy(), to=kind.copy()) if kind is not None else value
