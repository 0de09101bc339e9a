"""How notices change the state of a run: they are remembered, and nothing else moves.

Part of `transitions`, under its rules. One claim of a notice stands at a time, by the database's clock: of several
processes that would tell the same, one gets its intent in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bq_copilot.events import NoticeFailed, NoticeGiven, NoticeIntended, Recorded
from bq_copilot.legality import illegal, need
from bq_copilot.notice_record import Notice
from bq_copilot.state import RunState


def intended(state: RunState, rec: Recorded, e: NoticeIntended) -> RunState:
    before = state.notice_of(e.key)
    need(1 <= e.about <= state.seq, state, e.kind, "its cause has not happened")
    expected = before.attempt + 1 if before else 1
    need(e.attempt == expected, state, e.kind, f"the next try is {expected}")
    may = before is None or (before.next_at is not None and rec.at >= before.next_at)
    need(may, state, e.kind, "it was told, is being told, or is not due yet")
    tried = Notice(e.key, e.notice, e.about, e.attempt, e.channel, rec.at)
    rest = tuple(n for n in state.notices if n.key != e.key)
    return replace(state, notices=(*rest, tried))


def _open(state: RunState, e: NoticeGiven | NoticeFailed) -> Notice:
    found = state.notice_of(e.key)
    if found is None or not found.is_open or found.attempt != e.attempt:
        raise illegal(state, e.kind, "this try of it is not open")
    return found


def _with(state: RunState, notice: Notice) -> RunState:
    return replace(state, notices=tuple(notice if n.key == notice.key else n for n in state.notices))


def given(state: RunState, rec: Recorded, e: NoticeGiven) -> RunState:
    return _with(state, replace(_open(state, e), told_at=rec.at))


def failed(state: RunState, rec: Recorded, e: NoticeFailed) -> RunState:
    return _with(state, replace(_open(state, e), failed_at=rec.at, error=e.error))


APPLY: dict[str, Callable[..., RunState]] = {
    "notice_intended": intended,
    "notice_given": given,
    "notice_failed": failed,
}
