"""What runs have spent and reserved, one row a run, beside the ledger: written in the transaction of the event.

Edge module, SQL only. Derived from the events like the list of runs: the sum over a requester's day is one query, and
two processes that reserve at the same moment both see both reservations.
"""

from __future__ import annotations

from typing import Any

from bq_copilot.budgets import Spending, day_of, reserved, spent
from bq_copilot.state import RunState

UPSERT = """INSERT INTO spending VALUES (:run_id, :requester, :day, :turns, :tokens, :usd, :bytes, :seconds,
         :held_turns, :held_tokens, :held_usd, :held_bytes)
       ON CONFLICT (run_id) DO UPDATE SET turns = excluded.turns, tokens = excluded.tokens, usd = excluded.usd,
         bytes = excluded.bytes, seconds = excluded.seconds, held_turns = excluded.held_turns,
         held_tokens = excluded.held_tokens, held_usd = excluded.held_usd, held_bytes = excluded.held_bytes"""

SUMS = """SELECT COALESCE(SUM(turns), 0), COALESCE(SUM(tokens), 0), COALESCE(SUM(usd), 0), COALESCE(SUM(bytes), 0),
         COALESCE(SUM(seconds), 0), COALESCE(SUM(held_turns), 0), COALESCE(SUM(held_tokens), 0),
         COALESCE(SUM(held_usd), 0), COALESCE(SUM(held_bytes), 0)
       FROM spending WHERE day = :day AND (:requester = '' OR requester = :requester)"""


def values_of(state: RunState) -> dict[str, Any]:
    """Return the row of a run."""
    gone, held = spent(state), reserved(state)
    row = {"run_id": state.run_id, "requester": state.requester, "day": day_of(state)}
    row |= {n: getattr(gone, n) for n in ("turns", "tokens", "usd", "bytes", "seconds")}
    return row | {f"held_{n}": getattr(held, n) for n in ("turns", "tokens", "usd", "bytes")}


def sums_of(row: Any) -> tuple[Spending, Spending]:
    """Return (settled, reserved) from the row of sums."""
    n = [float(v) for v in row]
    gone = Spending(int(n[0]), int(n[1]), n[2], int(n[3]), n[4])
    return gone, Spending(int(n[5]), int(n[6]), n[7], int(n[8]))
