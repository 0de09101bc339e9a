"""The pinned catalog: leaves, tags, families, and BigQuery table resources."""

from __future__ import annotations

import pytest

from bq_copilot.catalog import Catalog, Family, Table
from bq_copilot.gate import Gate
from bq_copilot.gate.engines import ZetaSqlEngine
from bq_copilot.policy import Policy

TAG = "projects/p/locations/us/taxonomies/1/policyTags/pii"
RESOURCE: dict[str, object] = {
    "tableReference": {"projectId": "p", "datasetId": "d", "tableId": "t"},
    "type": "TABLE",
    "numRows": "12",
    "timePartitioning": {"type": "DAY", "field": "day"},
    "labels": {"team": "web"},
    "schema": {
        "fields": [
            {"name": "day", "type": "DATE"},
            {"name": "who", "type": "STRING", "policyTags": {"names": [TAG]}},
            {
                "name": "lines",
                "type": "RECORD",
                "mode": "REPEATED",
                "fields": [{"name": "n", "type": "INTEGER"}, {"name": "note", "type": "STRING"}],
            },
        ]
    },
}


def test_a_table_resource_becomes_leaves() -> None:
    """Types, modes, partitioning, policy tags and labels come from the resource."""
    table = Table.from_resource(RESOURCE)
    assert (table.id, table.partition_by, table.rows) == ("p.d.t", "day", 12)
    assert [(leaf.path, leaf.type, leaf.repeated_in) for leaf in table.leaves][2] == ("lines.n", "INT64", "lines")
    assert f"policy-tag:{TAG}" in table.leaves[1].tags
    assert "label:team=web" in table.leaves[0].tags


def test_a_policy_tag_denies_the_read(second: ZetaSqlEngine) -> None:
    """A column that BigQuery tags is refused, its neighbour is not."""
    gate = Gate(Catalog.from_resources([RESOURCE]), Policy(allowed_datasets=("p.d",)), [second])
    assert gate.rule("SELECT who FROM `p.d.t` WHERE day = '2025-01-01'").denied
    assert gate.rule("SELECT l.n FROM `p.d.t`, UNNEST(lines) AS l WHERE day = '2025-01-01'").ruling == "allow"


def test_a_tag_on_a_struct_holds_for_its_leaves(catalog: Catalog) -> None:
    """A tag on a parent is a tag on every leaf below it."""
    orders = catalog.table("acme.shop.orders")
    assert orders is not None
    tagged = {leaf.path for leaf in orders.leaves if "pii" in leaf.tags}
    assert {"shipping.address.line1", "shipping.address.postcode", "items.gift_message"} <= tagged
    assert "shipping.method" not in tagged


def test_the_fingerprint_follows_names_and_tags_not_sizes() -> None:
    """A new column voids what was approved; a new row count does not."""
    base = Catalog.from_resources([RESOURCE])
    grown = Catalog.from_resources([{**RESOURCE, "numRows": "99"}])
    other = Catalog.from_resources([{**RESOURCE, "labels": {"team": "hr"}}])
    assert base.fingerprint == grown.fingerprint != other.fingerprint


def test_a_family_holds_only_its_suffixes(catalog: Catalog) -> None:
    """A wildcard needs a prefix at least as long as the family's."""
    family = Family(pattern="p.d.events_*", schema_of="p.d.events_20250101", suffix_regex=r"^\d{8}$")
    assert family.holds("p.d.events_20250102")
    assert not family.holds("p.d.events_secret")
    assert catalog.family("acme.web.events_2025*") is not None
    assert catalog.family("acme.web.e*") is None


@pytest.mark.parametrize("document", [{}, {"tables": {}}, {"tables": {"t": {"columns": []}}}])
def test_a_document_that_is_no_catalog_is_refused(document: dict[str, object]) -> None:
    """An empty catalog would allow nothing and say nothing; it is an error instead."""
    with pytest.raises(ValueError, match=r"tables|project\.dataset\.table"):
        Catalog.from_document(document)


def test_views_over_views_inherit_tags(second: ZetaSqlEngine) -> None:
    """A tag follows a column through views under other names."""
    document: dict[str, object] = {
        "tables": {
            "p.d.base": {"columns": [{"name": "a", "type": "STRING", "pii": True}, {"name": "b", "type": "INT64"}]},
            "p.d.one": _view("SELECT LOWER(a) AS x, b AS y FROM `p.d.base`", "x", "y"),
            "p.d.two": _view("SELECT CONCAT(x, '!') AS m, y AS n FROM `p.d.one`", "m", "n"),
            "p.d.loop": _view("SELECT m FROM `p.d.loop`", "m"),
        }
    }
    gate = Gate(Catalog.from_document(document), Policy(allowed_datasets=("p.d",)), [second])
    assert "P04" in {f.rule for f in gate.rule("SELECT m FROM `p.d.two`").findings}
    assert gate.rule("SELECT n FROM `p.d.two`").ruling == "allow"
    assert "P03" in {f.rule for f in gate.rule("SELECT m FROM `p.d.loop`").findings}


def _view(sql: str, *names: str) -> dict[str, object]:
    return {
        "kind": "view",
        "view_sql": sql,
        "columns": [{"name": n, "type": "STRING" if n in "xm" else "INT64"} for n in names],
    }
