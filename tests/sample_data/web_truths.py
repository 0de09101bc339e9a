"""Right answers about the website: funnel, conversion, devices, sources, bounces.

Decides: each answer by pandas over the measured sessions. Never does: share code with the product. Why this
shape: a session has one row with `converted` in it, so a conversion rate is a mean.
"""

import pandas as pd

from tests.sample_data.frames import Frames
from tests.sample_data.periods import months, within, year
from tests.sample_data.registry import Book, Match

WEB = Book()
DAY = "session_date"


@WEB.truth("funnel-may-2026")
def funnel_may_2026(f: Frames) -> tuple[pd.DataFrame, ...]:
    """Sessions per funnel step in May 2026, by the day of the event or of the session."""
    started = within(f.sessions, "2026-05-01", "2026-05-31", DAY).session_id
    by_event = within(f.events, "2026-05-01", "2026-05-31", "event_date")
    by_session = f.events[f.events.session_id.isin(started)]
    return tuple(
        rows.groupby("event_name").session_id.nunique().reset_index(name="sessions") for rows in (by_event, by_session)
    )


@WEB.truth("conversion-by-source")
def conversion_by_source(f: Frames) -> pd.DataFrame:
    """Converted sessions over sessions per traffic source, all time."""
    return f.sessions.groupby("traffic_source").converted.mean().reset_index(name="rate")


@WEB.truth("conversion-by-device-h1-2026")
def conversion_by_device_h1_2026(f: Frames) -> pd.DataFrame:
    """Converted sessions over sessions per device category, January to June 2026."""
    rows = within(f.sessions, "2026-01-01", "2026-06-30", DAY)
    return rows.groupby("device_category").converted.mean().reset_index(name="rate")


@WEB.truth("conversion-by-month")
def conversion_by_month(f: Frames) -> pd.DataFrame:
    """Converted sessions over sessions per month."""
    return f.sessions.groupby(months(f.sessions, DAY)).converted.mean().reset_index(name="rate")


@WEB.truth("mobile-share-by-month")
def mobile_share_by_month(f: Frames) -> pd.DataFrame:
    """Mobile sessions over sessions per month."""
    mobile = f.sessions.device_category == "mobile"
    return mobile.groupby(months(f.sessions, DAY)).mean().reset_index(name="share")


@WEB.truth("device-share-june-2026")
def device_share_june_2026(f: Frames) -> pd.DataFrame:
    """Each device category's part of the sessions of June 2026."""
    rows = within(f.sessions, "2026-06-01", "2026-06-30", DAY)
    return rows.device_category.value_counts(normalize=True).reset_index(name="share")


@WEB.truth("bounce-by-source-2026")
def bounce_by_source_2026(f: Frames) -> pd.DataFrame:
    """Bounced sessions over sessions per traffic source, January to June 2026."""
    rows = within(f.sessions, "2026-01-01", "2026-06-30", DAY)
    return rows.groupby("traffic_source").is_bounce.mean().reset_index(name="rate")


@WEB.truth("adlift-visits-and-purchases", Match.FIGURES)
def adlift_visits_and_purchases(f: Frames) -> pd.DataFrame:
    """Sessions from adlift, and how many of them converted."""
    rows = f.sessions[f.sessions.traffic_source == "adlift"]
    return pd.DataFrame({"sessions": [len(rows)], "converted": [rows.converted.sum()]})


@WEB.truth("cart-abandonment-q1-2026", Match.FIGURES)
def cart_abandonment_q1_2026(f: Frames) -> pd.DataFrame:
    """Of the sessions of the first quarter of 2026 with a cart, the part without a purchase."""
    rows = within(f.sessions, "2026-01-01", "2026-03-31", DAY)
    carts = f.events[f.events.event_name == "add_to_cart"].session_id
    with_cart = rows[rows.session_id.isin(carts)]
    return pd.DataFrame({"rate": [1 - with_cart.converted.mean()]})


@WEB.truth("top-landing-pages-2025", Match.RANKING, top=5)
def top_landing_pages_2025(f: Frames) -> pd.DataFrame:
    """The five landing pages with the most sessions in 2025."""
    return year(f.sessions, 2025, DAY).landing_page.value_counts().nlargest(5, keep="all").reset_index(name="sessions")


@WEB.truth("pages-by-device")
def pages_by_device(f: Frames) -> pd.DataFrame:
    """Mean page views per session per device category, all time."""
    return f.sessions.groupby("device_category").pages_viewed.mean().reset_index()


@WEB.truth("most-viewed-products-june-2026", Match.RANKING, top=5)
def most_viewed_products_june_2026(f: Frames) -> pd.DataFrame:
    """The five products with the most view_product events in June 2026."""
    rows = within(f.events[f.events.event_name == "view_product"], "2026-06-01", "2026-06-30", "event_date")
    names = rows.merge(f.products, on="product_id")
    return names.groupby("name").size().nlargest(5, keep="all").reset_index(name="views")
