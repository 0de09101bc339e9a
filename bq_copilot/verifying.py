"""Whether what was recorded of a run still is what was recorded.

Checks the hash chain of the rows, that every event is a legal successor, that each approval's digest names exactly
its request and that its approvers were allowed to give it, that every text on the shelf has the digest that its event
names, and that the list of runs agrees with the last row. It reports the first row that does not fit and repairs
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from bq_copilot import head_signatures, permission, receipts
from bq_copilot.approval import digest_of
from bq_copilot.errors import Damaged
from bq_copilot.events import Recorded
from bq_copilot.head_signatures import Signed
from bq_copilot.ledger import RunHead
from bq_copilot.ledger_reader import parse
from bq_copilot.receipts import Row
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.transitions import IllegalTransition, apply
from bq_copilot.values import Stored


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked, the hash of the last row, and up to which row a key vouches for it."""

    rows: int
    approvals: int
    texts: int
    head: str
    signed_to: int = 0
    key: str = ""


def check_run(
    run_id: str,
    rows: Sequence[Row],
    shelf: Shelf,
    head: RunHead | None,
    signed: Signed | None = None,
    trusted: str = "",
) -> Checked:
    """Check a run from its stored rows. Raises Damaged with the `seq` of the first row that does not fit.

    `trusted` is the public key that must have signed its head; empty when no signature is asked for.
    """
    chain = _first_damage(rows)
    state, approvals, texts = RunState(run_id=run_id), 0, 0
    for place, row in enumerate(rows, start=1):
        if chain is not None and place == chain.seq:
            raise chain
        one = parse(row)
        state = _next(state, one)
        _check_approval(state, one)
        approvals += _check_digest(one)
        texts += _check_texts(one, shelf)
    if chain is not None:
        raise chain
    _check_head(state, head)
    signed_to = head_signatures.check(run_id, rows, signed, trusted)
    key = signed.key if signed and signed_to else ""
    return Checked(len(rows), approvals, texts, state.hash, signed_to, key)


def _first_damage(rows: Sequence[Row]) -> Damaged | None:
    try:
        receipts.verify(rows)
    except Damaged as error:
        return error
    return None


def _next(state: RunState, one: Recorded) -> RunState:
    try:
        return apply(state, one)
    except IllegalTransition as error:
        raise _damaged(one.run_id, one.seq, str(error)) from error


def _check_digest(one: Recorded) -> int:
    event = one.event
    if event.kind != "approval_requested":
        return 0
    if digest_of(event.request) != event.digest:
        raise _damaged(one.run_id, one.seq, "the approval's digest does not name its request")
    return 1


def _check_approval(state: RunState, one: Recorded) -> None:
    """Check again that whoever approved what was used was allowed to, down to the signatures of their codes."""
    if one.event.kind != "approval_consumed" or state.plan is None:
        return
    try:
        permission.recheck(state.plan)
    except Damaged as error:
        raise _damaged(one.run_id, one.seq, error.message) from error


def _check_texts(one: Recorded, shelf: Shelf) -> int:
    count = 0
    for stored in stored_texts(one.event):
        try:
            shelf.get(stored)
        except Damaged as error:
            raise Damaged(
                f"receipts of {one.run_id} do not verify at seq {one.seq}: {error.message}",
                seq=one.seq,
                next=error.next or "Restore the result storage from its backup.",
            ) from error
        count += 1
    return count


def stored_texts(value: object) -> Iterator[Stored]:
    """Yield every stored text that an event refers to."""
    match value:
        case Stored():
            yield value
        case BaseModel():
            for name in type(value).model_fields:
                yield from stored_texts(getattr(value, name))
        case tuple():
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                yield from stored_texts(item)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return


def _check_head(state: RunState, head: RunHead | None) -> None:
    """Rows that were cut off at the end leave a chain that fits; the list of runs still knows of them."""
    if head is None:
        return
    if head.seq == state.seq and head.phase == state.phase:
        _check_listing(state, head)
        return
    last = min(head.seq, state.seq) + 1
    raise _damaged(
        state.run_id,
        last,
        f"the list of runs says seq {head.seq} ({head.phase}), the last row is {state.seq} ({state.phase})",
    )


def _check_listing(state: RunState, head: RunHead) -> None:
    """What the list shows of a run is what its events say."""
    flow_run_id = state.started.flow_run_id if state.started else ""
    true = (state.question, state.requester, state.received_at, state.at, state.due, flow_run_id)
    said = (head.question, head.requester, head.received_at, head.updated_at, head.expires_at, head.flow_run_id)
    names = ("question", "requester", "received_at", "updated_at", "expires_at", "flow_run_id")
    wrong = [n for n, a, b in zip(names, true, said, strict=True) if a != b]
    if wrong:
        raise _damaged(state.run_id, state.seq, f"the list of runs shows another {', '.join(wrong)} than its events")


def _damaged(run_id: str, seq: int, why: str) -> Damaged:
    return Damaged(
        f"receipts of {run_id} do not verify at seq {seq}: {why}",
        seq=seq,
        next="Nothing runs on top of it. Compare the ledger with its last backup before you go on.",
    )
