"""Retrieval: how names are split, which tables are one family, what is found, and what a refresh writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.ddl import table_from_ddl
from bq_copilot.retrieval.index import Index, ids, index_of
from bq_copilot.retrieval.units import Unit, families_of, texts_of, units_of
from bq_copilot.retrieval.words import query_words, split


def table(name: str, *columns: str, description: str = "", tags: tuple[str, ...] = ()) -> Table:
    """Return a table with text columns."""
    made = tuple(Column(name=c, type="STRING") for c in columns)
    return Table(id=name, columns=made, description=description, tags=tags)


SHOP = Catalog(
    tables=(
        table("p.shop.orders", "order_id", "country", "total", description="One row for each order."),
        table("p.shop.refunds", "order_id", "amount", description="Money given back."),
        table("p.geo.us_counties", "county_name", "area_land_meters", tags=("label:theme=geography",)),
        *(table(f"p.web.events_2024010{d}", "event_name", "deviceCategory") for d in range(1, 5)),
    )
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("trafficSource", ["traffic", "source"]),
        ("ga_sessions_20170101", ["ga", "sessions", "20170101"]),
        ("PM25HourlyMean", ["pm", "25", "hourly", "mean"]),
        ("XMLFile", ["xml", "file"]),
    ],
)
def test_names_are_split_where_people_see_words(name: str, words: list[str]) -> None:
    """Camel case, underscores and digits are edges."""
    assert split(name) == words


def test_neighbours_are_also_looked_up_as_one_word() -> None:
    """People write apart what a table name has together."""
    assert "stackoverflow" in query_words("Which Stack Overflow users wrote most?")


def test_date_shards_are_one_family_and_other_tables_stand_alone() -> None:
    """Four daily tables are one unit whose newest member gives the schema."""
    family = next(u for u in units_of(SHOP.tables) if u.is_family)
    assert (family.id, len(family.members), family.table.id) == ("p.web.events_*", 4, "p.web.events_20240104")
    assert len(units_of(SHOP.tables)) == 4


def test_the_gate_gets_a_family_that_holds_its_members_and_nothing_else() -> None:
    """The suffix is a date of the members' length."""
    (family,) = families_of([*SHOP.tables, table("p.web.events_intraday", "x")])
    assert family.holds("p.web.events_20240102")
    assert not family.holds("p.web.events_intraday")


def test_two_lengths_of_dates_are_two_families() -> None:
    """Monthly and daily shards of one prefix have schemas of their own."""
    shards = [table(f"p.d.t_{d}", "a") for d in ("202401", "202402", "20240101", "20240102")]
    assert sorted(len(u.members) for u in units_of(shards)) == [2, 2]


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("How many orders came from each country?", "p.shop.orders"),
        ("money we gave back", "p.shop.refunds"),
        ("land area by county", "p.geo.us_counties"),
        ("geographic themes", "p.geo.us_counties"),
        ("events per device category", "p.web.events_*"),
    ],
)
def test_tables_are_found_by_names_columns_descriptions_and_labels(question: str, first: str) -> None:
    """The best fit comes first."""
    assert index_of(SHOP).search(question, 1)[0].id == first


def test_nested_fields_are_found() -> None:
    """A leaf three levels deep names its table."""
    ddl = "CREATE TABLE `p.d.visits`\n(\n  hits ARRAY<STRUCT<page STRUCT<pagePath STRING>>>\n);"
    catalog = Catalog(tables=(table_from_ddl(ddl), table("p.d.others", "x")))
    assert index_of(catalog).search("page path", 1)[0].id == "p.d.visits"


def test_what_shares_no_word_fills_up_at_the_end() -> None:
    """In a small catalog a question in other words still reaches every table."""
    assert len(index_of(SHOP).search("zebra", 10)) == 4


def test_an_accepted_question_makes_its_table_findable() -> None:
    """A word that stands in no schema leads to the table by what was asked before."""
    index = index_of(SHOP, asked={"p.shop.refunds": ("How much churn money did we lose?",)})
    assert index.search("churn", 1)[0].id == "p.shop.refunds"


def test_a_refresh_writes_only_what_changed(tmp_path: Path) -> None:
    """One changed and one removed table: one written, one removed, the others untouched."""
    index_of(SHOP, tmp_path).close()
    changed = table("p.shop.orders", "order_id", "country", "total", "voucher")
    index = index_of(SHOP, tmp_path)
    done = index.refresh(Catalog(tables=(changed, *SHOP.tables[2:])))
    assert (done.written, done.removed, done.kept) == (1, 1, 2)
    assert index.search("voucher", 1)[0].id == "p.shop.orders"
    assert "p.shop.refunds" not in ids(index.search("money given back", 10))


def test_a_refresh_splits_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Splitting texts into words is what a build takes its time for: one changed table of many costs one of them."""
    index = index_of(SHOP, tmp_path)
    split_up: list[str] = []

    def texts(unit: Unit) -> dict[str, str]:
        split_up.append(unit.id)
        return texts_of(unit)

    monkeypatch.setattr("bq_copilot.retrieval.index.texts_of", texts)
    changed = table("p.shop.orders", "order_id", "voucher", description="One row for each order.")
    assert index.refresh(Catalog(tables=(changed, *SHOP.tables[1:]))).written == 1
    assert split_up == ["p.shop.orders"]
    assert ids(index.search("voucher", 1)) == ["p.shop.orders"]


def test_an_unchanged_catalog_is_not_looked_at(tmp_path: Path) -> None:
    """The fingerprint says that the file is up to date."""
    index_of(SHOP, tmp_path).close()
    again = Index(next(tmp_path.glob("*.sqlite")))
    assert again.refresh(SHOP).written == 0


def test_a_table_is_found_by_its_new_description_alone(tmp_path: Path) -> None:
    """Nothing else of the catalog has changed, not even its fingerprint."""
    index_of(SHOP, tmp_path).close()
    told = SHOP.tables[0].model_copy(update={"description": "Each purchase that was paid."})
    now = Catalog(tables=(told, *SHOP.tables[1:]))
    assert now.fingerprint == SHOP.fingerprint
    index = index_of(now, tmp_path)
    assert ids(index.search("which purchases were paid", 1)) == ["p.shop.orders"]


def test_equal_scores_go_by_name() -> None:
    """The order never depends on how the tables were listed."""
    tables = tuple(table(f"p.d.{n}", "amount") for n in "cab")
    assert ids(index_of(Catalog(tables=tables)).search("amount", 3)) == ["p.d.a", "p.d.b", "p.d.c"]


def test_vectors_find_what_no_word_does_and_are_kept_until_the_text_changes() -> None:
    """A similar meaning wins where no word is shared; an unchanged unit is never embedded again."""
    index = index_of(SHOP)
    missing = dict(index.vectors.missing("m"))
    assert len(missing) == 4
    index.vectors.keep("m", {name: [1.0, 0.0] if "refunds" in name else [0.0, 1.0] for name in missing})
    assert index.vectors.missing("m") == []
    assert index.search("zebra", 1, vector=[1.0, 0.1])[0].id == "p.shop.refunds"
    index.refresh(Catalog(tables=(table("p.shop.orders", "other"), *SHOP.tables[1:])))
    assert [name for name, _ in index.vectors.missing("m")] == ["p.shop.orders"]


def test_ddl_is_read_with_nested_fields_options_labels_and_partition() -> None:
    """Every part of a table that retrieval or the gate needs."""
    read = table_from_ddl(
        "CREATE TABLE `p.d.t`\n(\n"
        '  id INT64 NOT NULL OPTIONS(description="The \\"key\\", unique"),\n'
        "  price NUMERIC(10, 2),\n"
        "  parts ARRAY<STRUCT<`end` DATE, name STRING>>\n"
        ")\nPARTITION BY day\nOPTIONS(\n"
        '  description="All parts (sold).",\n  labels=[("team", "ops")]\n);'
    )
    assert [(c.name, c.type, c.mode) for c in read.columns] == [
        ("id", "INT64", "NULLABLE"),
        ("price", "NUMERIC", "NULLABLE"),
        ("parts", "STRUCT", "REPEATED"),
    ]
    assert read.columns[0].description == 'The "key", unique'
    assert [f.name for f in read.columns[2].fields] == ["end", "name"]
    assert (read.description, read.partition_by, read.tags) == ("All parts (sold).", "day", ("label:team=ops",))


def test_a_text_that_creates_no_table_is_refused() -> None:
    """The message says what is missing."""
    with pytest.raises(ValueError, match="full name"):
        table_from_ddl("DROP TABLE x")


def test_the_benchmark_skips_with_a_reason_without_its_corpora(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is shipped, so nothing is measured, and it says so."""
    from benchmarks import retrieval

    monkeypatch.setattr("sys.argv", ["retrieval", "--corpora", str(tmp_path)])
    retrieval.main()
    assert capsys.readouterr().out.startswith("skipped:")
