"""What can be computed from a schema, and which of it the question's words ask for.

Decides the candidates: rows of a table, distinct keys, sums and averages of number columns, line amounts
(quantity x price), margins, parts of a whole, and quotients of two of these. Each candidate says which words it
explains; the choice between them is made in `intent`, together with the groupings. Knows generic money and quantity
vocabulary, no table and no column.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.joins import Nest, path_to
from deployments.local.offline_model.matching import hit, is_event
from deployments.local.offline_model.reading import Filter, Kind, Measure
from deployments.local.offline_model.schema_view import Column, Schema, Table
from deployments.local.offline_model.words import BUYERS, alike, stem, stems_of

_MONEY = tuple(
    stem(w) for w in ["total", "amount", "revenue", "value", "net", "gross", "sum", "price", "fee", "charge", "cost"]
)
RATES = stems_of(
    "price rate score age rating duration length temperature percent "
    "pct minutes hours days margin weight height size speed"
)
_SALES = stems_of("order sale invoice transaction purchase booking bill receipt ticket subscription deal")
QUANTITY = stems_of("quantity qty units pieces copies volume")
_WORTH = stems_of("price cost amount value total fee discount margin rate")
_GENERIC = stems_of("new day date time start started end of customer order")
_REVENUE = alike(stem("revenue"))
_MARGIN = stems_of("margin profit profitability earnings")
_PERCENT_MARGIN = re.compile(
    r"margins? (?:in )?(?:%|percent)|(?:percent|%)\w* margin"
    r"|\bprofit margins?\b(?! (?:in (?:\$|usd?|dollars?|money)|amount))"
)
"""A profit margin is a part of the revenue unless money is asked for; a gross margin is money, as the notes say."""
_CHARGES = stems_of("fee charge")
_DOLLARS = stems_of("dollar dollars euro euros usd eur gbp money pound pounds cents")
_SIZE_WORDS = r"(?:value|amount|total|size|worth|sum|spend|spending)s?"


def unit_of(column: Column) -> str:
    """`money`, `count` or `number`, from the column's words."""
    if column.note & _DOLLARS or column.words & {stem("amount"), stem("revenue"), stem("price"), stem("cost")}:
        return "money"
    return "count" if column.type == "INT64" and column.words & QUANTITY else "number"


def money_column(table: Table) -> Column | None:
    """The column that holds a row's worth: total before amount before price, and so on."""
    tops = [c for c in table.columns if c.is_number and c.array is None and not c.parents]
    return next((c for word in _MONEY for c in tops if word in c.words), None)


def revenue_measures(schema: Schema) -> list[Measure]:
    """Everything that may be called revenue, the most direct first."""
    found: list[Measure] = []
    for table in schema.tables:
        column = money_column(table)
        for other in table.columns:
            if other.is_number and other.words & _REVENUE:
                sales = 0.2 * bool(table.words & _SALES)
                found.append(_sum(other, "revenue", 0.75 + sales))
        if column and not column.words & _REVENUE and (table.words & _SALES or column.aliases & _REVENUE):
            found.append(_sum(column, "revenue", 0.9 + 0.1 * bool(column.aliases & _REVENUE)))
        found += [replace(m, name="revenue", score=0.8) for m in line_measures(table)]
    return sorted(found, key=lambda m: -m.score)


def line_measures(table: Table) -> list[Measure]:
    """Quantity x price of every place in the table that has both; the discount column comes third."""
    found: list[Measure] = []
    for array in dict.fromkeys([None, *(c.array for c in table.columns)]):
        group = [c for c in table.columns if c.is_number and c.array == array]
        quantity = next((c for c in group if c.words & QUANTITY and not c.words & _WORTH), None)
        price = next((c for c in group if stem("price") in c.words), None)
        discount = next((c for c in group if stem("discount") in c.words), None)
        if quantity and price:
            columns = (quantity, price, discount) if discount else (quantity, price)
            found.append(Measure("line_revenue", Kind.LINE, table.id, columns, array, unit="money"))
    return found


def margin_measures(schema: Schema) -> list[Measure]:
    """Line amounts less quantity x cost, where a cost column can be reached from the lines."""
    found: list[Measure] = []
    for table in schema.tables:
        for line in line_measures(table):
            for owner in schema.tables:
                cost = next((c for c in owner.columns if c.is_number and c.array is None and "cost" in c.words
                             and (owner.id == table.id or c.words & stems_of("unit"))), None)  # fmt: skip
                if (
                    cost
                    and not cost.parents
                    and path_to(schema, table, Nest(table.id, line.array) if line.array else None, owner.id) is not None
                ):
                    columns = (line.columns[0], line.columns[1], cost, *line.columns[2:])
                    found.append(replace(line, name="margin", kind=Kind.MARGIN, columns=columns, score=0.95))
    return found


def candidates(cues: Cues, free: tuple[int, ...], filters: list[Filter], schema: Schema) -> list[Measure]:
    """Every measure that at least one free word or filter asks for, best first."""
    found: list[Measure] = []
    found += _counts(cues, free, schema)
    found += _columns(cues, free, schema)
    found += _named(cues, free, revenue_measures(schema), _REVENUE)
    found += _margins(cues, free, schema)
    found += _parts(cues, free, filters, schema)
    found += _bare_rows(filters, schema)
    return sorted((_counted(m, cues) for m in found), key=lambda m: -m.score)


def _counted(measure: Measure, cues: Cues) -> Measure:
    """A measure of the very word after `how many` or `share of` is likelier."""
    place = next((p for p, i in enumerate(cues.counted) if i in measure.covers), None)
    return measure if place is None else replace(measure, score=measure.score + (0.4, 0.3, 0.1)[place])


def _sum(column: Column, name: str, score: float) -> Measure:
    return Measure(name, Kind.SUM, column.table, (column,), column.array, score=score, unit=unit_of(column))


def rows_of(table: Table, covers: frozenset[int] = frozenset(), score: float = 0.0) -> Measure:
    """The count of a table's rows, named after the table."""
    return Measure(table.name, Kind.ROWS, table.id, covers=covers, score=score, unit="count")


def _counts(cues: Cues, free: tuple[int, ...], schema: Schema) -> Iterable[Measure]:
    for index in free:
        word = cues.words[index].stem
        for table in schema.tables:
            head = frozenset({stem(table.name.split("_")[-1])})
            fit = hit(word, head) or 0.8 * hit(word, table.words)
            size = _asks_size(cues, index) or (bool(cues.aggregate) and _follows_average(cues, index))
            money = money_column(table)
            if fit and re.match(r"[\s-]+volumes?\b", cues.text[cues.words[index].end :]):
                yield rows_of(table, frozenset({index, index + 1}), 1.0)
            elif fit and size and money and not cues.count:
                kind = Kind.AVG if cues.aggregate == "avg" else Kind.MEDIAN if cues.aggregate else Kind.SUM
                covers = frozenset({index})
                yield Measure(_size_name(kind, table), kind, table.id, (money,), covers=covers, score=fit, unit="money")
            elif fit:
                yield rows_of(table, frozenset({index}), 0.8 * fit * _noun(cues, index))
            elif table.time and hit(word, (table.time.words | table.time.aliases | table.time.head) - _GENERIC):
                yield rows_of(table, frozenset({index}), 0.5)
            for column in table.columns:
                entity = _entity(column, word, schema)
                if entity and column != table.key:
                    score = 0.7 * _noun(cues, index) + 0.5 * (_buys(cues, index) and bool(table.words & _SALES))
                    yield Measure(entity.name, Kind.DISTINCT, table.id, (column,), column.array, (), None,
                                  frozenset({index}), score, "count")  # fmt: skip


def _noun(cues: Cues, index: int) -> float:
    """A past form (`ordered`) is less likely to be the counted noun than a noun (`orders`)."""
    return 0.8 if cues.words[index].lower.endswith("ed") else 1.0


def _buys(cues: Cues, index: int) -> bool:
    """`buyers`, `active customers`: those with a sale, not those who are registered."""
    before = cues.words[index - 1].lower if index else ""
    return cues.words[index].stem in BUYERS or before in ("active", "buying", "paying", "purchasing", "ordering")


def _much_of(cues: Cues, index: int) -> bool:
    """`how much shipping`: what a record called so costs."""
    return bool(re.search(r"(?<!by )\bhow much $", cues.text[: cues.words[index].start]))


def _follows_average(cues: Cues, index: int) -> bool:
    """`the average order`: its worth, where no other figure of it is named."""
    return index > 0 and cues.words[index - 1].lower in ("average", "mean", "median", "typical", "avg")


def _asks_size(cues: Cues, index: int) -> bool:
    """`order value`, `refund amounts`, `the amount of refunds`."""
    before = cues.text[: cues.words[index].start]
    of = rf"\b{_SIZE_WORDS} of (?:all |the |our |every |each |those )*$"
    much = r"(?<!by )\bhow much(?: money)?\b(?! of)[^.?!,]*$|\b(?:what|which) (?:sum|amount|total|value)\b[^.?!,]*$"
    if re.search(r"\bin (?:us )?(?:dollars?|usd|money|euros?|eur)\b|[$\u20ac]", cues.text) and not cues.count:
        return True
    if re.search(of, before) or re.search(much, before):
        return True
    return bool(re.match(rf"[\s-]+{_SIZE_WORDS}\b", cues.text[cues.words[index].end :]))


def _size_name(kind: Kind, table: Table) -> str:
    noun = re.sub(r"s$", "", table.name)
    return {Kind.AVG: f"average_{noun}_value", Kind.MEDIAN: f"median_{noun}_value"}.get(kind, f"{noun}_value")


def _entity(column: Column, word: str, schema: Schema) -> Table | None:
    """The table whose rows this key column names, when the word means that table."""
    if not column.is_key:
        return None
    for table in schema.tables:
        if table.key and table.key.leaf == column.leaf and table.id != column.table and hit(word, table.words):
            return table
    return None


def _columns(cues: Cues, free: tuple[int, ...], schema: Schema) -> Iterable[Measure]:
    for table in schema.tables:
        for column in table.columns:
            if not column.is_number or column.words & _REVENUE:
                continue  # revenue is judged as a whole, by `revenue_measures`
            fits = {i: _number_fit(cues.words[i].stem, column, table) for i in free}
            fits |= {i: (0.75, True) for i in free if _much_of(cues, i) and column.words & _WORTH
                     and cues.words[i].stem in column.parent_words}  # fmt: skip
            direct = [f for f, strong in fits.values() if strong]
            if direct:
                covers = frozenset(i for i, (f, _) in fits.items() if f)
                missed = 0.04 * len(
                    [w for w in column.words if not any(w in alike(cues.words[i].stem) for i in covers)]
                )
                kind = _kind_for(column, cues)
                score = max(direct) + 0.05 * (len(covers) - 1) - missed
                if cues.count and cues.aggregate is None:
                    score += (
                        0.1
                        if column.words & QUANTITY
                        else -0.3
                        if kind is not Kind.SUM
                        else -1.0 * (unit_of(column) == "money")
                    )
                yield Measure(_name(kind, column, table), kind, table.id, (column,), column.array, (), None,
                              covers, min(score, 1.1), unit_of(column))  # fmt: skip


def _number_fit(word: str, column: Column, table: Table) -> tuple[float, bool]:
    """How well a word fits a number column, and whether it names the column rather than its surroundings."""
    if word in _MARGIN and word not in column.words:
        return 0.0, False  # a cost's description speaks of the margin that it takes away
    if column.words & _WORTH and not (alike(word) | {word}) & (_WORTH | column.aliases) and len(column.words) > 1:
        return 0.3 * (word in column.words), False
    if word in column.words:
        return 1.0, True
    if column.words & alike(word):
        return 0.85, True
    if word in column.aliases:
        return 0.8, True
    if alike(word) & _CHARGES and column.aliases & alike(word):
        return 0.65, True
    around = hit(word, column.parent_words) or hit(word, table.words) or float(word in column.head)
    return 0.3 * around, False


def _kind_for(column: Column, cues: Cues) -> Kind:
    if cues.aggregate == "median":
        return Kind.MEDIAN
    if cues.aggregate == "avg" or (column.words & RATES and column.type != "INT64" and not cues.share):
        return Kind.AVG
    if column.words & RATES and not re.search(r"\btotal\b", cues.text):
        return Kind.AVG
    return Kind.SUM


def _name(kind: Kind, column: Column, table: Table) -> str:
    leaf = column.leaf
    if column.parents and column.array is None:
        leaf = column.path.replace(".", "_")
    elif column.words <= stems_of("total amount value price cost") and not column.parents:
        leaf = f"{re.sub(r's$', '', table.name)}_{column.leaf}"
    return {Kind.AVG: f"average_{leaf}", Kind.MEDIAN: f"median_{leaf}"}.get(
        kind, f"total_{leaf}" if leaf != "revenue" else leaf
    )


def _named(cues: Cues, free: tuple[int, ...], measures: list[Measure], names: frozenset[str]) -> Iterable[Measure]:
    covers = frozenset(i for i in free if cues.words[i].stem in names)
    if not covers:
        return
    for measure in measures:
        if cues.aggregate and measure.kind is Kind.SUM:
            kind = Kind.AVG if cues.aggregate == "avg" else Kind.MEDIAN
            yield replace(measure, kind=kind, name=f"{'average' if kind is Kind.AVG else 'median'}_{measure.name}",
                          covers=covers)  # fmt: skip
        yield replace(measure, covers=covers)


def _margins(cues: Cues, free: tuple[int, ...], schema: Schema) -> Iterable[Measure]:
    for found in _named(cues, free, margin_measures(schema), _MARGIN):
        covers = found.covers | {i for i in free if cues.words[i].lower in ("gross", "net")}
        margin = replace(found, covers=covers)
        if cues.rate or _PERCENT_MARGIN.search(cues.text):
            columns = (*margin.columns[:2], *margin.columns[3:])
            line = Measure("revenue", Kind.LINE, margin.table, columns, margin.array, unit="money")
            yield quotient(margin, line, "margin_pct", "percent")
        yield margin


def quotient(top: Measure, bottom: Measure, name: str, unit: str) -> Measure:
    """`top / bottom` over the same base; percent is multiplied by a hundred by the writer."""
    return Measure(name, Kind.RATIO, top.table, (), top.array or bottom.array, (), bottom, top.covers | bottom.covers,
                   top.score, unit, top=top)  # fmt: skip


def _parts(cues: Cues, free: tuple[int, ...], filters: list[Filter], schema: Schema) -> Iterable[Measure]:
    """Parts of a whole: `what share of X is V`, `V rate`, `V's part of the revenue`."""
    if not (cues.share or cues.rate):
        return
    amounts = (
        [*_named(cues, free, revenue_measures(schema), _REVENUE), *_columns(cues, free, schema)] if cues.share else []
    )
    several = {
        f.column
        for f in filters
        for g in filters
        if f.column == g.column and f.values != g.values and not f.covers & g.covers
    }
    for chosen in filters:
        table = schema.table(chosen.column.table)
        if chosen.column in several or is_event(chosen.column):
            continue
        basis = _basis(cues, free, chosen, table, schema)
        name = f"{_slug(chosen)}_{basis.name}_share_pct"
        covers = chosen.covers | basis.covers
        yield Measure(name, Kind.SHARE, table.id, basis.columns, chosen.column.array, (chosen,), None, covers,
                      0.8 + 0.1 * chosen.score, "percent")  # fmt: skip
        for amount in amounts:
            if amount.kind in (Kind.SUM, Kind.LINE) and amount.table == table.id and not chosen.covers & amount.covers:
                part = replace(amount, where=(chosen,), covers=amount.covers | chosen.covers)
                ratio = quotient(part, amount, f"{_slug(chosen)}_{amount.name}_share_pct", "percent")
                yield replace(ratio, score=amount.score + 0.1)


def _basis(cues: Cues, free: tuple[int, ...], chosen: Filter, table: Table, schema: Schema) -> Measure:
    """What the part is a part of: distinct entities when they are named, else the table's rows."""
    rest = [i for i in free if i not in chosen.covers]
    if chosen.column.is_flag:
        stems = {i: cues.words[i].stem for i in rest}
        named = frozenset(
            i for i, w in stems.items() if hit(w, table.words) or any(_entity(c, w, schema) for c in table.columns)
        )
        return rows_of(table, named)
    for index in rest:
        word = cues.words[index].stem
        if hit(word, table.words):
            return rows_of(table, frozenset({index}))
    for index in rest:
        for column in table.columns:
            entity = _entity(column, cues.words[index].stem, schema)
            if entity:
                return Measure(entity.name, Kind.DISTINCT, table.id, (column,), covers=frozenset({index}))
    return rows_of(table)


def _slug(chosen: Filter) -> str:
    if chosen.column.is_flag:
        body = chosen.column.leaf.removeprefix("is_").removeprefix("has_")
        return body if chosen.values == ("TRUE",) else f"not_{body}"
    return re.sub(r"\W+", "_", chosen.values[0].lower()).strip("_") or "part"


def _bare_rows(filters: list[Filter], schema: Schema) -> Iterable[Measure]:
    """Rows of a table whose values are named although the table is not (`how many page views`)."""
    for table_id in dict.fromkeys(f.column.table for f in filters):
        yield rows_of(schema.table(table_id), score=0.35)
