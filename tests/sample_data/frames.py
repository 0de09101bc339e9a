"""The sample tables as flat pandas frames, for computing what a question's right answer is.

Decides: how nested columns are flattened (records by `_`, order lines into a frame of their own). Never
does: answer a question. Why this shape: it reads the same Parquet files that the warehouse is seeded with,
through pandas alone, so an answer from the warehouse is checked against something that shares no SQL with it.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DAYS = ("order_date", "refund_date", "session_date", "event_date", "signup_date", "launched_on")


@dataclass(frozen=True)
class Frames:
    """Lazy frames over one seed folder; each is read once."""

    folder: Path

    @cached_property
    def customers(self) -> pd.DataFrame:
        """One row per customer."""
        return self._flat("shop.customers")

    @cached_property
    def products(self) -> pd.DataFrame:
        """One row per product."""
        return self._flat("shop.products")

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order, all statuses; shipping_cost, payment_method and so on are columns."""
        return self._flat("shop.orders")

    @cached_property
    def sold(self) -> pd.DataFrame:
        """One row per order that was not cancelled."""
        return self.orders.loc[self.orders.status != "cancelled"].copy()

    @cached_property
    def lines(self) -> pd.DataFrame:
        """One row per line of an order that was not cancelled, with the order's columns and `revenue`."""
        column = pq.read_table(self.folder / "shop.orders.parquet", columns=["items"])["items"].combine_chunks()
        parents = pc.list_parent_indices(column).to_numpy()
        lines = pa.Table.from_struct_array(column.flatten()).to_pandas()
        order = self.orders.drop(columns=["total"]).iloc[parents].reset_index(drop=True)
        lines = pd.concat([lines, order], axis=1)
        lines["revenue"] = lines.quantity * lines.unit_price - lines.discount
        lines = lines.merge(self.products[["product_id", "name", "brand", "unit_cost"]], on="product_id")
        return lines.loc[lines.status != "cancelled"].copy()

    @cached_property
    def refunds(self) -> pd.DataFrame:
        """One row per refund."""
        return self._flat("shop.refunds")

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """One row per session, with `converted`: the session has a purchase event."""
        sessions = self._flat("web.sessions")
        buyers = self.events.loc[self.events.event_name == "purchase", "session_id"]
        return sessions.assign(converted=sessions.session_id.isin(buyers))

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row per event, without its parameters."""
        return self._flat("web.events")

    def _flat(self, table: str) -> pd.DataFrame:
        rows = pq.read_table(self.folder / f"{table}.parquet")
        rows = rows.drop_columns([name for name in ("items", "params", "ip") if name in rows.column_names])
        while any(pa.types.is_struct(field.type) for field in rows.schema):
            rows = rows.flatten()
        frame = rows.rename_columns([name.replace(".", "_") for name in rows.column_names]).to_pandas()
        for day in DAYS:
            if day in frame:
                frame[day] = pd.to_datetime(frame[day])
        return frame
