"""Right answers about customers: returning, new, loyal, segments, where they came from.

Decides: each answer by pandas. Never does: touch personal data. Why this shape: one short function per
question, and its docstring is the definition that the answer rests on.
"""

import pandas as pd

from tests.sample_data.frames import Frames
from tests.sample_data.periods import months, year
from tests.sample_data.registry import Book, Match

CUSTOMERS = Book()


@CUSTOMERS.truth("returning-share-by-month")
def returning_share_by_month(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Returning customers' part of the orders per month; cancelled orders out, or in; or of the revenue."""
    of_orders = [frame.groupby(months(frame)).is_returning.mean() for frame in (f.sold, f.orders)]
    revenue = f.sold.groupby(months(f.sold)).total.sum()
    again = f.sold[f.sold.is_returning]
    of_revenue = again.groupby(months(again)).total.sum() / revenue
    return tuple(share.reset_index(name="share") for share in (*of_orders, of_revenue))


@CUSTOMERS.truth("returning-revenue-share-2025", Match.FIGURES)
def returning_revenue_share_2025(f: Frames) -> pd.DataFrame:
    """Returning customers' part of the revenue of 2025."""
    rows = year(f.sold, 2025)
    return pd.DataFrame({"share": [rows[rows.is_returning].total.sum() / rows.total.sum()]})


@CUSTOMERS.truth("signups-by-month-2025")
def signups_by_month_2025(f: Frames) -> pd.DataFrame:
    """Customers per month of sign-up in 2025."""
    rows = year(f.customers, 2025, "signup_date")
    return rows.groupby(months(rows, "signup_date")).size().reset_index(name="customers")


@CUSTOMERS.truth("buyers-2025")
def buyers_2025(f: Frames) -> tuple[float, ...]:
    """Different customers with an order in 2025; cancelled orders out, or in."""
    return tuple(float(year(frame, 2025).customer_id.nunique()) for frame in (f.sold, f.orders))


@CUSTOMERS.truth("customers-with-five-orders")
def customers_with_five_orders(f: Frames) -> tuple[float, ...]:
    """Customers with at least five orders in all; cancelled orders out, or in."""
    return tuple(float((frame.customer_id.value_counts() >= 5).sum()) for frame in (f.sold, f.orders))


@CUSTOMERS.truth("best-customers", Match.RANKING, top=10)
def best_customers(f: Frames) -> pd.DataFrame:
    """The ten customers with the highest revenue, by id."""
    return f.sold.groupby("customer_id").total.sum().nlargest(10, keep="all").reset_index()


@CUSTOMERS.truth("order-value-by-segment-2025")
def order_value_by_segment_2025(f: Frames) -> pd.DataFrame:
    """Mean total per customer segment in 2025, cancelled left out."""
    rows = year(f.sold, 2025).merge(f.customers[["customer_id", "segment"]], on="customer_id")
    return rows.groupby("segment").total.mean().reset_index()


@CUSTOMERS.truth("revenue-by-acquisition-channel")
def revenue_by_acquisition_channel(f: Frames) -> pd.DataFrame:
    """Revenue of all time per acquisition channel of the customer."""
    rows = f.sold.merge(f.customers[["customer_id", "acquisition_channel"]], on="customer_id")
    return rows.groupby("acquisition_channel").total.sum().reset_index()


@CUSTOMERS.truth("customers-by-country")
def customers_by_country(f: Frames) -> pd.DataFrame:
    """Customers per home country."""
    return f.customers.groupby("country").size().reset_index(name="customers")
