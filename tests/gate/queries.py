"""Random queries over the acme catalog for the differential fuzz: mostly valid, full of colliding names.

Decides what is tried: aliases that equal columns, whole rows, nested fields, elements, correlated subqueries, stars,
USING, set operations, pivots and pipes. Every choice comes from one seeded generator, so a finding can be repeated.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

ALIASES = ["c", "o", "t", "x", "country", "email", "items", "customers", "status", "shipping", "sku", "total"]
TABLES = {
    "acme.shop.customers": ["customer_id", "email", "country", "tags", "loyalty", "preferences", "is_active"],
    "acme.shop.orders": ["order_id", "customer_id", "status", "total", "shipping", "payment", "items", "attributes"],
    "acme.shop.products": ["product_id", "sku", "name", "tags", "dimensions", "attributes", "price"],
    "acme.shop.refunds": ["refund_id", "order_id", "sku", "amount"],
    "acme.shop.v_daily_sales": ["order_date", "channel", "orders", "revenue"],
    "acme.web.sessions": ["session_id", "customer_id", "ip", "country", "device", "traffic", "is_bounce"],
    "acme.web.events_20250101": ["event_name", "session_id", "user_pseudo_id", "event_params", "geo", "ecommerce"],
}
FIELDS = {
    "loyalty": ["tier", "points", "card_number"],
    "shipping": ["method", "cost", "address", "address.city", "address.line1"],
    "payment": ["method", "card_last4"],
    "items": ["sku", "quantity", "gift_message", "product_id"],
    "dimensions": ["width", "weight"],
    "device": ["category", "advertising_id"],
    "traffic": ["source", "medium"],
    "geo": ["city"],
    "ecommerce": ["revenue", "items"],
    "event_params": ["key", "value", "value.string_value"],
}
ARRAYS = frozenset(("items", "tags", "event_params"))


@dataclass
class Source:
    """One relation of a FROM clause as the generator knows it."""

    alias: str
    columns: list[str]
    row_fields: list[str] = field(default_factory=list)


class Queries:
    """A stream of random queries."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.ctes: list[Source] = []

    def query(self) -> str:
        """Return the next query."""
        self.ctes = []
        names = []
        for number in range(self.pick.choice([0, 0, 1, 2])):
            body, columns = self.select(1, [])
            name = self.pick.choice([f"w{number}", "orders", "email", "c"])
            if any(known.alias == name for known in self.ctes):
                continue
            names.append(f"{name} AS ({body})")
            self.ctes.append(Source(name, columns))
        body, _ = self.pipe() if self.chance(0.12) else self.select(0, [])
        if self.chance(0.1):
            body = f"{body} UNION ALL {body}"
        return f"WITH {', '.join(names)} {body}" if names else body

    def chance(self, share: float) -> bool:
        return self.pick.random() < share

    def select(self, depth: int, outer: list[Source]) -> tuple[str, list[str]]:
        sources, text = self.sources(depth, outer)
        scope = [*sources, *outer]
        if self.chance(0.15):
            items, names = [self.star(sources)], [c for s in sources for c in s.columns]
        else:
            names = [
                self.pick.choice([f"k{n}", "email", "country", "n"]) + str(n) for n in range(self.pick.randint(1, 3))
            ]
            items = [f"{self.value(depth, scope)} AS {name}" for name in names]
        where = f" WHERE {self.condition(depth, scope)}" if self.chance(0.5) else ""
        tail = self.tail(scope, names)
        return f"SELECT {', '.join(items)} FROM {text}{where}{tail}", names

    def tail(self, scope: list[Source], names: list[str]) -> str:
        if self.chance(0.15):
            return f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {self.text(scope)} ORDER BY {self.text(scope)}) = 1"
        if self.chance(0.15):
            return f" ORDER BY {self.text(scope)} LIMIT 3"
        return ""

    def star(self, sources: list[Source]) -> str:
        one = self.pick.choice(sources)
        if self.chance(0.5):
            return f"{one.alias}.*"
        return "*" if self.chance(0.7) or not one.columns else f"* EXCEPT ({self.pick.choice(one.columns)})"

    def sources(self, depth: int, outer: list[Source]) -> tuple[list[Source], str]:
        first, text = self.source(depth, outer)
        found = [first]
        for _ in range(self.pick.choice([0, 0, 1, 1, 2])):
            extra, part = self.joined(depth, found, outer)
            if all(extra.alias != known.alias for known in found):
                found.append(extra)
                text += part
        return found, text

    def source(self, depth: int, outer: list[Source]) -> tuple[Source, str]:
        alias = self.pick.choice(ALIASES)
        if self.ctes and self.chance(0.3):
            known = self.pick.choice(self.ctes)
            return Source(alias, known.columns), f"{known.alias} AS {alias}"
        if depth < 2 and self.chance(0.25):
            body, columns = self.select(depth + 1, outer)
            return Source(alias, columns), f"({body}) AS {alias}"
        name = self.pick.choice(list(TABLES))
        if self.chance(0.3):
            return Source(name.split(".")[-1], TABLES[name]), f"`{name}`"
        return Source(alias, TABLES[name]), f"`{name}` AS {alias}"

    def joined(self, depth: int, found: list[Source], outer: list[Source]) -> tuple[Source, str]:
        arrays = [(s, c) for s in found for c in s.columns if c in ARRAYS]
        if arrays and self.chance(0.6):
            owner, column = self.pick.choice(arrays)
            alias = self.pick.choice(ALIASES)
            fields = [f for f in FIELDS.get(column, []) if "." not in f]
            offset = f" WITH OFFSET AS pos_{alias}" if self.chance(0.2) else ""
            path = f"{owner.alias}.{column}" if self.chance(0.9) else column
            return Source(alias, [], fields or []), f", UNNEST({path}) AS {alias}{offset}"
        other, text = self.source(depth, outer)
        shared = [
            c for c in other.columns if any(c in s.columns for s in found) and c not in FIELDS and c not in ARRAYS
        ]
        if shared and self.chance(0.5):
            return other, f" {self.pick.choice(['JOIN', 'LEFT JOIN', 'FULL JOIN'])} {text} USING ({shared[0]})"
        return other, f" JOIN {text} ON {self.text([*found, other])} = {self.text([*found, other])}"

    def path(self, scope: list[Source]) -> str:
        one = self.pick.choice(scope)
        if not one.columns:
            if one.row_fields and self.chance(0.8):
                name = self.pick.choice(one.row_fields)
                return f"{one.alias}.{name}" if self.chance(0.8) else name
            return one.alias
        if self.chance(0.08):
            return one.alias
        column = self.pick.choice(one.columns)
        owners = [s for s in scope if column in s.columns or column in s.row_fields or column == s.alias]
        qualified = self.chance(0.65) or (len(owners) > 1 and self.chance(0.85))
        text = f"{one.alias}.{column}" if qualified else column
        inner = FIELDS.get(column)
        if inner and self.chance(0.75):
            index = self.pick.choice(["[OFFSET(0)]", "[SAFE_OFFSET(1)]", "[0]"]) if column in ARRAYS else ""
            text += f"{index}.{self.pick.choice(inner)}"
        elif column in ("preferences", "attributes") and self.chance(0.5):
            text += ".a.b"
        return text

    def text(self, scope: list[Source]) -> str:
        """Return a STRING expression over any path."""
        return f"TO_JSON_STRING({self.path(scope)})"

    def value(self, depth: int, scope: list[Source]) -> str:
        options = [
            lambda: self.path(scope),
            lambda: self.path(scope),
            lambda: self.text(scope),
            lambda: f"IF({self.condition(depth, scope)}, {self.text(scope)}, {self.text(scope)})",
            lambda: f"STRUCT({self.path(scope)} AS a, {self.path(scope)} AS b).a",
            lambda: f"COUNT({self.path(scope)}) OVER (PARTITION BY {self.text(scope)})",
            lambda: f"[{self.text(scope)}, {self.text(scope)}][OFFSET(0)]",
        ]
        if depth < 2:
            options += [
                lambda: f"(SELECT COUNT(*) FROM ({self.select(depth + 1, scope)[0]}))",
                lambda: f"ARRAY({self.one_column(depth, scope)})",
                lambda: f"({self.one_column(depth, scope)} LIMIT 1)",
            ]
        return self.pick.choice(options)()

    def one_column(self, depth: int, outer: list[Source]) -> str:
        arrays = [(s, c) for s in outer for c in s.columns if c in ARRAYS]
        if arrays and self.chance(0.6):
            owner, column = self.pick.choice(arrays)
            alias = self.pick.choice(ALIASES)
            inner = Source(alias, [], [f for f in FIELDS.get(column, []) if "." not in f])
            return f"SELECT {self.text([inner, *outer])} FROM UNNEST({owner.alias}.{column}) AS {alias}"
        sources, text = self.sources(2, outer)
        return f"SELECT {self.text([*sources, *outer])} FROM {text}"

    def condition(self, depth: int, scope: list[Source]) -> str:
        options = [
            lambda: f"{self.path(scope)} IS NOT NULL",
            lambda: f"{self.text(scope)} = {self.text(scope)}",
            lambda: f"{self.text(scope)} IN ('a', {self.text(scope)})",
        ]
        if depth < 2:
            options += [
                lambda: f"EXISTS (SELECT 1 FROM ({self.select(depth + 1, scope)[0]}))",
                lambda: f"{self.text(scope)} IN ({self.one_column(depth, scope)})",
            ]
        return self.pick.choice(options)()

    def pipe(self) -> tuple[str, list[str]]:
        sources, text = self.sources(1, [])
        steps = [f"FROM {text}"]
        for _ in range(self.pick.randint(1, 3)):
            steps.append(
                self.pick.choice(
                    [
                        f"WHERE {self.condition(2, sources)}",
                        f"EXTEND {self.text(sources)} AS e{len(steps)}",
                        "LIMIT 10",
                        f"WHERE {self.text(sources)} != 'q'",
                    ]
                )
            )
        end = f"AGGREGATE COUNT({self.path(sources)}) AS n GROUP BY {self.text(sources)} AS g"
        steps.append(self.pick.choice([end, f"SELECT {self.text(sources)} AS s"]))
        return " |> ".join(steps), ["n"]
