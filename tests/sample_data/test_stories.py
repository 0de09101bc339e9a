"""Every story that docs/sample-data.md tells can be seen in the rows."""

from pathlib import Path

import pandas as pd
import pytest

from deployments.local.sample_data.stories import FAULTY_BATCH, OUTAGE, PRICE_RISE, WEAK_SOURCE
from tests.sample_data.conftest import seeded
from tests.sample_data.frames import Frames


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A quarter of the sample data: enough orders for one country's week to be told from chance."""
    return seeded(Path(tmp_path_factory.mktemp("stories")), scale=0.25)


def by_month(frame: pd.DataFrame, day: str = "order_date") -> pd.Series:
    return frame[day].dt.to_period("M").astype(str)


def test_the_outage_stops_online_orders_only(shop: Frames) -> None:
    """Germany's online orders fall below a fifth of the week before, its store orders do not."""
    german = shop.orders[shop.orders.country == OUTAGE.country]
    week = german[german.order_date.between(str(OUTAGE.first), str(OUTAGE.last))]
    before = german[german.order_date.between("2025-09-01", "2025-09-07")]
    assert (week.channel != "store").sum() < 0.2 * (before.channel != "store").sum()
    assert (week.channel == "store").sum() > 0.5 * (before.channel == "store").sum()


def test_the_outage_is_germanys_alone(shop: Frames) -> None:
    """The other countries sell as in the week before."""
    others = shop.orders[shop.orders.country != OUTAGE.country]
    week = others.order_date.between(str(OUTAGE.first), str(OUTAGE.last)).sum()
    before = others.order_date.between("2025-09-01", "2025-09-07").sum()
    assert 0.85 < week / before < 1.15


def test_the_price_rise_costs_units(shop: Frames) -> None:
    """Kitchen's revenue per unit rises by more than a tenth in March 2025 while its units per day fall."""
    kitchen = shop.lines[shop.lines.category == PRICE_RISE.category]
    months = kitchen.groupby(by_month(kitchen))[["quantity", "revenue"]].sum()
    before, after = months.loc["2025-02"], months.loc["2025-03"]
    assert after.revenue / after.quantity > 1.1 * before.revenue / before.quantity
    assert after.quantity / 31 < 0.85 * before.quantity / 28


def test_returning_customers_grow(shop: Frames) -> None:
    """The returning share of orders rises by more than 15 points over the two years."""
    share = shop.sold.groupby(by_month(shop.sold)).is_returning.mean()
    assert share["2026-06"] - share["2024-07"] > 0.15


def test_november_and_december_are_the_peak(shop: Frames) -> None:
    """In both years the two months have the highest revenue, at least 1.25 times October's."""
    revenue = shop.sold.groupby(by_month(shop.sold)).total.sum()
    for year in ("2024", "2025"):
        assert min(revenue[f"{year}-11"], revenue[f"{year}-12"]) > 1.25 * revenue[f"{year}-10"]
        assert set(revenue[f"{year}-07" : f"{int(year) + 1}-06"].nlargest(2).index) == {
            f"{year}-11",
            f"{year}-12",
        }


def test_the_weak_source_hardly_sells(shop: Frames) -> None:
    """The weak source starts on its day, bounces most, and converts below a quarter of the site's rate."""
    weak = shop.sessions[shop.sessions.traffic_source == WEAK_SOURCE.source]
    assert weak.session_date.min() == pd.Timestamp(WEAK_SOURCE.since)
    assert weak.converted.mean() < 0.25 * shop.sessions.converted.mean()
    assert shop.sessions.groupby("traffic_source").is_bounce.mean().idxmax() == WEAK_SOURCE.source


def test_the_faulty_batch_fills_one_month(shop: Frames) -> None:
    """The brand's refunds of February 2026 exceed any other month's three times, mostly defective."""
    brand = shop.lines[shop.lines.brand == FAULTY_BATCH.brand][["order_id"]].drop_duplicates()
    refunds = shop.refunds.merge(brand, on="order_id")
    months = refunds.groupby(by_month(refunds, "refund_date")).size()
    assert months.idxmax() == "2026-02"
    assert months.max() > 3 * months.drop("2026-02").max()
    february = refunds[by_month(refunds, "refund_date") == "2026-02"]
    assert (february.reason == FAULTY_BATCH.reason).mean() > 0.7


def test_mobile_and_app_grow(shop: Frames) -> None:
    """Mobile's share of visits and the app's share of orders both rise by more than a tenth of all."""
    mobile = shop.sessions.device_category.eq("mobile").groupby(by_month(shop.sessions, "session_date")).mean()
    app = shop.sold.channel.eq("app").groupby(by_month(shop.sold)).mean()
    assert mobile["2026-06"] - mobile["2024-07"] > 0.10
    assert app["2026-06"] - app["2024-07"] > 0.10


def test_companies_spend_more(shop: Frames) -> None:
    """A business order is worth more than twice a consumer's."""
    value = shop.sold.merge(shop.customers, on="customer_id").groupby("segment").total.mean()
    assert value["business"] > 2 * value["consumer"]
