"""Rows of a period, and the period of each row.

Decides: that months are written as their first day. Never does: aggregate. Why this shape: every truth names
its period the way a person would, by first and last day.
"""

import pandas as pd


def within(frame: pd.DataFrame, first: str, last: str, day: str = "order_date") -> pd.DataFrame:
    """The rows whose day is in the closed range."""
    return frame.loc[frame[day].between(first, last)].copy()


def year(frame: pd.DataFrame, number: int, day: str = "order_date") -> pd.DataFrame:
    """The rows of a calendar year."""
    return frame.loc[frame[day].dt.year == number].copy()


def months(frame: pd.DataFrame, day: str = "order_date") -> pd.Series:
    """First day of each row's month."""
    return frame[day].dt.to_period("M").dt.start_time.rename("month")


def weeks(frame: pd.DataFrame, day: str = "order_date", *, sunday: bool = False) -> pd.Series:
    """First day of each row's week: Monday, or Sunday as BigQuery's WEEK."""
    offset = (frame[day].dt.day_of_week + (1 if sunday else 0)) % 7
    return (frame[day] - pd.to_timedelta(offset, unit="D")).rename("day")
