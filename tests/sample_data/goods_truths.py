"""Right answers about products, categories, brands, prices, margins and refunds.

Decides: each answer by pandas over the order lines. Never does: share code with the product. Why this shape:
the nested lines are one flat frame here, so each answer is a group and a sum.
"""

import pandas as pd

from tests.sample_data.frames import Frames
from tests.sample_data.periods import months, within, year
from tests.sample_data.registry import Book, Match

GOODS = Book()


@GOODS.truth("top-products-2025", Match.RANKING, top=10)
def top_products_2025(f: Frames) -> pd.DataFrame:
    """The ten products with the highest line revenue in 2025."""
    return year(f.lines, 2025).groupby("name").revenue.sum().nlargest(10, keep="all").reset_index()


@GOODS.truth("top-brands-units-h1-2026", Match.RANKING, top=5)
def top_brands_units_h1_2026(f: Frames) -> pd.DataFrame:
    """The five brands with the most units sold from January to June 2026."""
    return (
        within(f.lines, "2026-01-01", "2026-06-30")
        .groupby("brand")
        .quantity.sum()
        .nlargest(5, keep="all")
        .reset_index()
    )


@GOODS.truth("category-revenue-2025")
def category_revenue_2025(f: Frames) -> pd.DataFrame:
    """Line revenue of 2025 per category."""
    return year(f.lines, 2025).groupby("category").revenue.sum().reset_index()


@GOODS.truth("category-share-2025")
def category_share_2025(f: Frames) -> pd.DataFrame:
    """Each category's part of the line revenue of 2025."""
    revenue = year(f.lines, 2025).groupby("category").revenue.sum()
    return (revenue / revenue.sum()).reset_index(name="share")


@GOODS.truth("kitchen-units-compared", Match.FIGURES)
def kitchen_units_compared(f: Frames) -> pd.DataFrame:
    """Kitchen units sold in February and in March 2025."""
    kitchen = f.lines[f.lines.category == "Kitchen"]
    february = within(kitchen, "2025-02-01", "2025-02-28").quantity.sum()
    march = within(kitchen, "2025-03-01", "2025-03-31").quantity.sum()
    return pd.DataFrame({"before": [february], "after": [march]})


@GOODS.truth("kitchen-price-by-month")
def kitchen_price_by_month(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Kitchen from October 2024 to June 2025: revenue per unit, unit price weighted or not by quantity."""
    rows = within(f.lines[f.lines.category == "Kitchen"], "2024-10-01", "2025-06-30")
    listed = rows.assign(listed=rows.unit_price * rows.quantity)
    sums = listed.groupby(months(rows))[["revenue", "listed", "quantity"]].sum()
    plain = rows.groupby(months(rows)).unit_price.mean()
    found = (sums.revenue / sums.quantity, sums.listed / sums.quantity, plain)
    return tuple(price.reset_index(name="price") for price in found)


@GOODS.truth("toys-units-by-month")
def toys_units_by_month(f: Frames) -> pd.DataFrame:
    """Units of Toys sold per month over the two years."""
    toys = f.lines[f.lines.category == "Toys"]
    return toys.groupby(months(toys)).quantity.sum().reset_index()


@GOODS.truth("margin-by-category-2025")
def margin_by_category_2025(f: Frames) -> pd.DataFrame:
    """Line revenue less quantity times unit cost, 2025, per category."""
    rows = year(f.lines, 2025)
    return (rows.revenue - rows.quantity * rows.unit_cost).groupby(rows.category).sum().reset_index(name="margin")


@GOODS.truth("discount-november-2025")
def discount_november_2025(f: Frames) -> float:
    """Sum of the line discounts in November 2025, cancelled orders left out."""
    return float(within(f.lines, "2025-11-01", "2025-11-30").discount.sum())


@GOODS.truth("units-per-order-by-segment")
def units_per_order_by_segment(f: Frames) -> pd.DataFrame:
    """Mean units per order per customer segment, all time, cancelled left out."""
    rows = f.lines.merge(f.customers[["customer_id", "segment"]], on="customer_id")
    sums = rows.groupby("segment").agg(units=("quantity", "sum"), orders=("order_id", "nunique"))
    return (sums.units / sums.orders).reset_index(name="units")


@GOODS.truth("eco-products")
def eco_products(f: Frames) -> float:
    """Number of products with the tag eco."""
    return float(f.products.tags.map(lambda tags: "eco" in tags).sum())


@GOODS.truth("refunds-by-reason-2025")
def refunds_by_reason_2025(f: Frames) -> pd.DataFrame:
    """Number of refunds per reason, by refund date in 2025."""
    return year(f.refunds, 2025, "refund_date").groupby("reason").size().reset_index(name="refunds")


@GOODS.truth("refund-amount-by-month")
def refund_amount_by_month(f: Frames) -> pd.DataFrame:
    """Amount refunded per month of the refund."""
    return f.refunds.groupby(months(f.refunds, "refund_date")).amount.sum().reset_index()


@GOODS.truth("worst-refund-brand-february", Match.RANKING, top=1)
def worst_refund_brand_february(f: Frames) -> tuple[pd.DataFrame, ...]:
    """The brand in most orders refunded in February 2026, counted by orders or by lines."""
    refunds = within(f.refunds, "2026-02-01", "2026-02-28", "refund_date")
    rows = refunds.merge(f.lines[["order_id", "brand"]], on="order_id").groupby("brand").order_id
    return tuple(count.nlargest(1, keep="all").reset_index(name="refunds") for count in (rows.nunique(), rows.count()))


@GOODS.truth("refund-rate-by-country")
def refund_rate_by_country(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Refunded orders over orders per country; over those not cancelled, or over all."""
    refunded = f.orders[f.orders.order_id.isin(f.refunds.order_id)].groupby("country").size()
    return tuple(
        (refunded / orders.groupby("country").size()).reset_index(name="rate") for orders in (f.sold, f.orders)
    )


@GOODS.truth("days-to-refund")
def days_to_refund(f: Frames) -> float:
    """Mean days from the order to its refund."""
    rows = f.refunds.merge(f.orders, on="order_id")
    return float((rows.refund_date - rows.order_date).dt.days.mean())
