"""One durable wait for a person: `ask(key, form)`.

For a short while the process waits where it is (`pause_flow_run`), because a person may be at the keyboard; then it
suspends: the process ends, and the answer starts the run again on any worker. A recorded answer is read first. A
prompt that a dead process left unanswered is never asked under the same key again: Prefect would either forget the
answer or refuse it for ever. Everything that is unclear asks again; nothing is ever assumed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import Abort, PrefectHTTPStatusError
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import adelete_flow_run_input, aread_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from prefect.runtime import flow_run
from prefect.states import Running
from pydantic import ValidationError

from bq_copilot.errors import LedgerUnavailable
from bq_copilot.journal import Journal

POLL_SECONDS = 0.25

FOREVER = 10 * 365 * 86_400
"""Prefect's own timeout fails the run with no code of ours running; expiry belongs to the ledger."""

Form = TypeVar("Form", bound=RunInput)


class IdempotentInput(RunInput):
    """A form whose schema may be saved before the state changes, and again by the state change itself."""

    @classmethod
    async def asave(cls, keyset, flow_run_id=None):
        with contextlib.suppress(_Exists):
            try:
                await super().asave(keyset, flow_run_id)
            except PrefectHTTPStatusError as error:
                if error.response.status_code != 409:
                    raise
                raise _Exists from error


class _Exists(Exception):
    """The schema is saved already."""


Moved = Callable[[], bool]
"""Says that the ledger has what was waited for: somebody decided elsewhere, or the time is over."""


def looks(journal: Journal, waits: Callable[[], bool]) -> Moved:
    """Return a look at the ledger that says whether the wait is over; one that does not answer says nothing."""

    def moved() -> bool:
        try:
            journal.refresh()
        except LedgerUnavailable:
            return False
        return not waits()

    return moved


async def ask(key: str, form: type[Form], warm_seconds: float, moved: Moved) -> Form | None:
    """Return a person's answer to `form`, None when the ledger moved first; may end the process until then."""
    generation = 0
    while True:
        opened = False
        for kind in ("paused", "suspended"):
            found, seen = await _recorded(f"{kind}-{key}-{generation}")
            answer = _filled(form, found)
            if answer is not None:
                return answer
            opened = opened or seen
        if not opened:
            break
        generation += 1
    if warm_seconds > 0 and not moved():
        answer = await _warm(f"{key}-{generation}", form, warm_seconds, moved)
        if answer is not None:
            return answer
        generation += 1
    return None if moved() else await _cold(f"{key}-{generation}", form)


def _filled(form: type[Form], found: dict[str, object] | None) -> Form | None:
    """Read a recorded answer; what does not fit the form is no answer, whoever wrote it."""
    try:
        return None if found is None else form(**found)
    except ValidationError:
        return None


async def forget(key: str) -> None:
    """Remove the recorded answers of a prompt once they are in the ledger, so that it can be asked anew."""
    for generation in range(1_000):
        seen_any = False
        for kind in ("paused", "suspended"):
            base = f"{kind}-{key}-{generation}"
            found, seen = await _recorded(base)
            seen_any = seen_any or seen
            if found is not None:
                await adelete_flow_run_input(keyset_from_base_key(base)["response"])
        if not seen_any:
            return


async def _recorded(base: str) -> tuple[dict[str, object] | None, bool]:
    """Return (answer or None, whether the prompt was ever opened)."""
    keys = keyset_from_base_key(base)
    response, schema = await asyncio.gather(
        aread_flow_run_input(keys["response"]), aread_flow_run_input(keys["schema"])
    )
    return response, schema is not None or response is not None


async def _warm(key: str, form: type[Form], seconds: float, moved: Moved) -> Form | None:
    """Wait in this process for at most `seconds`; None when nobody answered here."""
    await form.asave(keyset_from_base_key(f"paused-{key}"))
    pause = asyncio.ensure_future(_pause(key, form))
    watch = asyncio.ensure_future(_until(moved))
    try:
        done, _ = await asyncio.wait({pause, watch}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        pause.cancel()
        watch.cancel()
        await asyncio.gather(pause, watch, return_exceptions=True)
    if pause in done:
        pause.result()
    else:
        await _run_again()
    found, _ = await _recorded(f"paused-{key}")
    return _filled(form, found)


async def _pause(key: str, form: type[Form]) -> None:
    """Wait until somebody resumes this flow run; what they answered is read by whoever called."""
    for _ in range(2):
        try:
            paused = apause_flow_run(form, timeout=FOREVER, poll_interval=POLL_SECONDS, key=key)  # type: ignore[arg-type]
            await cast("Awaitable[object]", paused)
            return
        except ValidationError:
            return  # it was set running without an answer
        except RuntimeError as error:
            _raise_unless_label(error)
            await _run_again()


def _raise_unless_label(error: RuntimeError) -> None:
    """A run that lives may be called crashed, by a late report about the process before; then it cannot wait."""
    if not str(error).startswith("Flow run cannot be"):
        raise error


async def _until(moved: Moved) -> None:
    while not moved():  # noqa: ASYNC110 - the ledger is another process's; it can only be looked at
        await asyncio.sleep(POLL_SECONDS)


async def _run_again() -> None:
    """Leave the Paused state: Prefect suspends running flows only.

    A cancel that somebody has pressed is never written over: the process ends, and the recovery service records it.
    """
    async with get_client() as client:
        state = (await client.read_flow_run(UUID(flow_run.id))).state
        if state is not None and (state.is_cancelling() or state.is_cancelled()):
            raise Abort("it is being cancelled in Prefect")
        await client.set_flow_run_state(UUID(flow_run.id), Running(), force=True)


async def _cold(key: str, form: type[Form]) -> Form:
    """End this process until somebody answers. Raises Prefect's Pause."""
    await form.asave(keyset_from_base_key(f"suspended-{key}"))
    try:
        answer = await asuspend_flow_run(form, key=key, timeout=None)
    except RuntimeError as error:
        _raise_unless_label(error)
        await _run_again()
        answer = await asuspend_flow_run(form, key=key, timeout=None)
    raise RuntimeError(f"the wait {key} came back without a recorded answer: {answer!r}")
