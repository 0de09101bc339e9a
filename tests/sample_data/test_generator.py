"""The sample data generator: same seed, same bytes; and tables that agree with each other."""

import hashlib
import itertools
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from deployments.local.sample_data.__main__ import main
from deployments.local.sample_data.tables import PERSONAL_DATA_TAG, TABLES, arrow_schema, resource
from tests.sample_data.frames import Frames

PERSONAL = {
    "shop.customers": {"full_name", "email", "phone", "birth_date"},
    "shop.products": set(),
    "shop.orders": {"shipping.address.line1", "shipping.address.postcode", "payment.card_last4"},
    "shop.refunds": set(),
    "web.sessions": {"ip"},
    "web.events": set(),
}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def leaves(fields: list[dict], prefix: str = "") -> dict[str, dict]:
    found: dict[str, dict] = {}
    for field in fields:
        name = prefix + field["name"]
        found[name] = field
        found.update(leaves(field.get("fields", []), name + "."))
    return found


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs with one seed write identical files."""
    assert main([str(tmp_path / "a"), "--scale", "0.005"]) == 0
    assert main([str(tmp_path / "b"), "--scale", "0.005"]) == 0
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert len(digests(tmp_path / "a")) == 2 * len(TABLES)


def test_another_seed_gives_other_rows(tmp_path: Path) -> None:
    """Every table depends on the seed."""
    main([str(tmp_path / "a"), "--scale", "0.005"])
    main([str(tmp_path / "b"), "--scale", "0.005", "--seed", "8"])
    one, two = digests(tmp_path / "a"), digests(tmp_path / "b")
    assert all(one[name] != two[name] for name in one if name.endswith(".parquet"))


def test_a_scale_out_of_range_is_refused(tmp_path: Path) -> None:
    """A scale of zero is a usage error and writes nothing."""
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "none"), "--scale", "0"])
    assert stop.value.code == 2
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("table", TABLES)
def test_the_resource_describes_the_file(frames: Frames, table: str) -> None:
    """The JSON beside a Parquet file is the table's resource, and the file has its columns."""
    written = json.loads((frames.folder / f"{table}.json").read_text())
    assert written == resource(table)
    assert pq.read_schema(frames.folder / f"{table}.parquet").equals(arrow_schema(table))


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_described(table: str) -> None:
    """An analyst finds a sentence for the table and for every column, nested ones included."""
    fields = leaves(resource(table)["schema"]["fields"])
    assert len(resource(table)["description"]) > 60
    assert [name for name, field in fields.items() if len(field["description"]) < 15] == []


@pytest.mark.parametrize("table", TABLES)
def test_personal_data_is_tagged(table: str) -> None:
    """The policy tag is on the personal columns and on no other."""
    fields = leaves(resource(table)["schema"]["fields"])
    tagged = {name for name, field in fields.items() if "policyTags" in field}
    assert tagged == PERSONAL[table]
    assert all(fields[name]["policyTags"] == {"names": [PERSONAL_DATA_TAG]} for name in tagged)


def test_personal_data_is_fictional(frames: Frames) -> None:
    """E-mails end in example.com, phones use 555-01xx, IP addresses are documentation addresses."""
    assert frames.customers.email.str.fullmatch(r"[a-z.]+\d+@example\.com").all()
    assert frames.customers.email.is_unique
    assert frames.customers.phone.str.fullmatch(r"\+1-\d{3}-555-01\d\d").all()
    addresses = pq.read_table(frames.folder / "web.sessions.parquet", columns=["ip"])["ip"].to_pandas()
    assert addresses.str.match(r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+$").all()


def test_an_order_is_worth_its_lines(frames: Frames) -> None:
    """The total is the sum of quantity * unit_price - discount, to the cent."""
    worth = frames.lines.groupby("order_id").revenue.sum()
    totals = frames.sold.set_index("order_id").total
    pd.testing.assert_series_equal(worth.round(2), totals, check_names=False)


def test_a_line_has_its_products_category(frames: Frames) -> None:
    """The category that is copied into a line is the product's."""
    category = frames.products.set_index("product_id").category
    assert (frames.lines.product_id.map(category) == frames.lines.category).all()


def test_nothing_is_sold_before_its_launch(frames: Frames) -> None:
    """No order line is older than its product."""
    launched = frames.lines.product_id.map(frames.products.set_index("product_id").launched_on)
    assert (frames.lines.order_date >= launched).all()


def test_orders_belong_to_customers_who_had_signed_up(frames: Frames) -> None:
    """Each order has a known customer, of the same country, who signed up no later than the order."""
    merged = frames.orders.merge(frames.customers, on="customer_id", suffixes=("", "_home"))
    assert len(merged) == len(frames.orders)
    assert (merged.signup_date <= merged.order_date).all()
    assert (merged.country == merged.country_home).all()


def test_returning_means_ordered_before(frames: Frames) -> None:
    """A second order is always a returning one; a first one is not, but for customers of earlier years."""
    ordered = frames.orders.sort_values("order_id")
    again = ordered.duplicated("customer_id")
    assert ordered.is_returning[again].all()
    first = ordered[~again]
    old = first.customer_id.map(frames.customers.set_index("customer_id").signup_date) < pd.Timestamp("2024-07-01")
    assert old[first.is_returning].all()


def test_returned_orders_have_one_full_refund(frames: Frames) -> None:
    """Status and refunds agree: full for returned, partial for some delivered, none for the others."""
    merged = frames.refunds.merge(frames.orders, on="order_id")
    assert frames.refunds.order_id.is_unique
    assert set(merged.status) == {"returned", "delivered"}
    returned = merged[merged.status == "returned"]
    assert len(returned) == (frames.orders.status == "returned").sum()
    assert (returned.amount == returned.total).all()
    assert (merged.amount <= merged.total).all()
    assert (merged.refund_date > merged.order_date).all()
    assert merged.refund_date.max() <= pd.Timestamp("2026-06-30")


def test_sessions_agree_with_their_events(frames: Frames) -> None:
    """Start, country, customer, page views and bounce of a session are those of its events."""
    grouped = frames.events.groupby("session_id")
    sessions = frames.sessions.set_index("session_id").sort_index()
    assert (grouped.event_ts.min() == sessions.started_at).all()
    assert (grouped.size().eq(1) == sessions.is_bounce).all()
    pages = frames.events[frames.events.event_name == "page_view"].groupby("session_id").size()
    assert (pages == sessions.pages_viewed).all()
    merged = frames.events.merge(frames.sessions, on="session_id", suffixes=("", "_session"))
    assert (merged.country == merged.country_session).all()
    assert (merged.customer_id.fillna(0) == merged.customer_id_session.fillna(0)).all()


def test_the_funnel_has_no_holes(frames: Frames) -> None:
    """A session that reaches a step has been at every step before it."""
    steps = ("page_view", "view_product", "add_to_cart", "begin_checkout", "purchase")
    reached = [set(frames.events.session_id[frames.events.event_name == step]) for step in steps]
    assert all(later < earlier for earlier, later in itertools.pairwise(reached))


def test_a_purchase_event_is_a_web_order(frames: Frames) -> None:
    """Each purchase has the moment, customer and value of an order with channel web."""
    purchases = frames.events[frames.events.event_name == "purchase"]
    merged = purchases.merge(
        frames.orders[frames.orders.channel == "web"],
        left_on=["event_ts", "customer_id", "revenue"],
        right_on=["order_ts", "customer_id", "total"],
    )
    assert len(merged) == len(purchases) > 0
    assert frames.events.revenue.notna().sum() == len(purchases)


def test_every_row_is_inside_the_two_years(frames: Frames) -> None:
    """Orders, sessions and events have dates from 2024-07-01 to 2026-06-30 that match their moments."""
    for frame, day, moment in (
        (frames.orders, "order_date", "order_ts"),
        (frames.sessions, "session_date", "started_at"),
        (frames.events, "event_date", "event_ts"),
    ):
        assert frame[day].between("2024-07-01", "2026-06-30").all()
        assert (frame[moment].dt.tz_localize(None).dt.normalize() == frame[day]).all()
