"""Right answers about revenue and orders: trends, comparisons, peaks, channels, places, payment.

Decides: each answer by pandas. Never does: share code with the product. Why this shape: one short function
per question, and its docstring is the definition that the answer rests on.
"""

import pandas as pd

from tests.sample_data.frames import Frames
from tests.sample_data.periods import months, weeks, within, year
from tests.sample_data.registry import Book, Match

SALES = Book()


@SALES.truth("revenue-by-month")
def revenue_by_month(f: Frames) -> pd.DataFrame:
    """Sum of total per month of the order, cancelled left out."""
    return f.sold.groupby(months(f.sold)).total.sum().reset_index()


@SALES.truth("orders-by-week-q1-2026")
def orders_by_week_q1_2026(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Orders per week; weeks start on Monday or Sunday; cancelled orders out, or in."""
    return tuple(
        rows.groupby(weeks(rows, sunday=sunday)).size().reset_index(name="orders")
        for rows in (within(f.sold, "2026-01-01", "2026-03-31"), within(f.orders, "2026-01-01", "2026-03-31"))
        for sunday in (False, True)
    )


@SALES.truth("november-compared", Match.FIGURES)
def november_compared(f: Frames) -> pd.DataFrame:
    """Revenue of November 2024 and of November 2025."""
    return pd.DataFrame({"before": [_revenue(f, "2024-11")], "after": [_revenue(f, "2025-11")]})


@SALES.truth("total-revenue-2025")
def total_revenue_2025(f: Frames) -> float:
    """Sum of total in 2025, cancelled left out."""
    return float(year(f.sold, 2025).total.sum())


@SALES.truth("revenue-change-by-month-2026")
def revenue_change_by_month_2026(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Growth over the month before, January against December 2025, against nothing, or left out."""
    growth = f.sold.groupby(months(f.sold)).total.sum().pct_change()
    of_2026 = growth[growth.index >= "2026-01-01"].reset_index(name="growth")
    alone = of_2026.assign(growth=of_2026.growth.where(of_2026.month > "2026-01-01"))
    return of_2026, alone, of_2026.iloc[1:]


@SALES.truth("growth-by-country-h1")
def growth_by_country_h1(f: Frames) -> pd.DataFrame:
    """Revenue of January to June 2026 over January to June 2025, less one, per country."""
    before = within(f.sold, "2025-01-01", "2025-06-30").groupby("country").total.sum()
    after = within(f.sold, "2026-01-01", "2026-06-30").groupby("country").total.sum()
    return (after / before - 1).reset_index(name="growth")


@SALES.truth("country-share-2025")
def country_share_2025(f: Frames) -> pd.DataFrame:
    """Each country's part of the revenue of 2025."""
    revenue = year(f.sold, 2025).groupby("country").total.sum()
    return (revenue / revenue.sum()).reset_index(name="share")


@SALES.truth("germany-online-low-days", Match.SUBSET)
def germany_online_low_days(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Web and app orders in Germany on the seven days of the outage; cancelled orders out, or in."""
    days = pd.date_range("2025-09-08", "2025-09-14", name="day")
    answers: list[pd.DataFrame] = []
    for orders in (f.sold, f.orders):
        online = orders[(orders.country == "DE") & orders.channel.isin(["web", "app"])]
        daily = online.groupby("order_date").size().reindex(days, fill_value=0)
        answers += [daily.reset_index(name="orders"), daily[daily > 0].reset_index(name="orders")]
    return tuple(answers)


@SALES.truth("germany-september-by-day")
def germany_september_by_day(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Orders per day in Germany in September 2025; cancelled orders out, or in."""
    return tuple(
        rows.groupby("order_date").size().rename_axis("day").reset_index(name="orders")
        for rows in (within(frame[frame.country == "DE"], "2025-09-01", "2025-09-30") for frame in (f.sold, f.orders))
    )


@SALES.truth("best-day", Match.RANKING, top=1)
def best_day(f: Frames) -> pd.DataFrame:
    """The day with the highest revenue."""
    return f.sold.groupby("order_date").total.sum().nlargest(1, keep="all").rename_axis("day").reset_index()


@SALES.truth("orders-by-weekday")
def orders_by_weekday(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Orders per day of the week over all time; cancelled orders out, or in."""
    return tuple(
        frame.groupby(frame.order_date.dt.day_name()).size().rename_axis("weekday").reset_index(name="orders")
        for frame in (f.sold, f.orders)
    )


@SALES.truth("orders-by-hour-2025")
def orders_by_hour_2025(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Orders of 2025 per hour of the day, UTC; cancelled orders out, or in."""
    return tuple(
        frame.groupby(frame.order_ts.dt.hour).size().rename_axis("hour").reset_index(name="orders")
        for frame in (year(f.sold, 2025), year(f.orders, 2025))
    )


@SALES.truth("order-value-by-channel-2025")
def order_value_by_channel_2025(f: Frames) -> pd.DataFrame:
    """Mean total of the orders of 2025 per channel, cancelled left out."""
    return year(f.sold, 2025).groupby("channel").total.mean().reset_index()


@SALES.truth("order-value-by-month-2025")
def order_value_by_month_2025(f: Frames) -> pd.DataFrame:
    """Mean total per month of 2025, cancelled left out."""
    rows = year(f.sold, 2025)
    return rows.groupby(months(rows)).total.mean().reset_index()


@SALES.truth("app-share-by-month")
def app_share_by_month(f: Frames) -> tuple[pd.DataFrame, ...]:
    """The app's part of all orders per month; cancelled orders out, or in."""
    return tuple(
        (frame.channel == "app").groupby(months(frame)).mean().reset_index(name="share") for frame in (f.sold, f.orders)
    )


@SALES.truth("us-regions-2025", Match.RANKING, top=3)
def us_regions_2025(f: Frames) -> pd.DataFrame:
    """The three regions of the US with the highest revenue in 2025."""
    rows = year(f.sold[f.sold.country == "US"], 2025)
    return rows.groupby("region").total.sum().nlargest(3, keep="all").reset_index()


@SALES.truth("top-cities-2025", Match.RANKING, top=5)
def top_cities_2025(f: Frames) -> tuple[pd.DataFrame, ...]:
    """The five delivery cities with the most orders in 2025; cancelled orders out, or in."""
    return tuple(
        frame.groupby("shipping_address_city").size().nlargest(5, keep="all").reset_index(name="orders")
        for frame in (year(f.sold, 2025), year(f.orders, 2025))
    )


@SALES.truth("cancelled-share-by-channel")
def cancelled_share_by_channel(f: Frames) -> pd.DataFrame:
    """Cancelled orders over all orders per channel."""
    return (f.orders.status == "cancelled").groupby(f.orders.channel).mean().reset_index(name="share")


@SALES.truth("payment-share-2026")
def payment_share_2026(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Each payment method's part of the orders of January to June 2026; cancelled orders out, or in."""
    return tuple(
        within(frame, "2026-01-01", "2026-06-30").payment_method.value_counts(normalize=True).reset_index(name="share")
        for frame in (f.sold, f.orders)
    )


@SALES.truth("express-fees-2025")
def express_fees_2025(f: Frames) -> tuple[float, ...]:
    """Shipping cost of express orders in 2025; cancelled orders out, or in."""
    return tuple(
        float(frame[frame.shipping_method == "express"].shipping_cost.sum())
        for frame in (year(f.sold, 2025), year(f.orders, 2025))
    )


def _revenue(f: Frames, month: str) -> float:
    return float(f.sold[f.sold.order_date.dt.strftime("%Y-%m") == month].total.sum())
