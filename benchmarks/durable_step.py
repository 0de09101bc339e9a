"""A durable step beside a bare Prefect task: same settings, same process, same server, taken in turn.

A durable step is one effect task with its positional key and JSON result, and the event that records its outcome.
The bare task has the same result persistence and a cache policy of Prefect's own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import INPUTS
from prefect.settings import (
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_LOGGING_LEVEL,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from bq_copilot import events as ev
from bq_copilot.journal import begin
from bq_copilot.ledger_sql import SqlLedger
from tasks.durable import Place, effect

STEPS = 150
QUIET = {PREFECT_SERVER_ANALYTICS_ENABLED: False, PREFECT_SERVER_LOGGING_LEVEL: "CRITICAL"}
"""The server lives as long as the benchmark: it calls nobody, and its end is no news."""
REPLY = {"name": "describe_table", "arguments": '{"table": "p.d.t"}', "usage": {"prompt_tokens": 900}}


@task(persist_result=True, result_serializer="json", cache_policy=INPUTS, retries=3, retry_delay_seconds=1)
async def bare(number: int) -> dict[str, object]:
    """Do nothing, as a task of anybody would."""
    return REPLY


@effect(name="durable")
async def durable(place: Place) -> dict[str, object]:
    """Do nothing, as a task of ours would."""
    return REPLY


@flow(persist_result=True, result_serializer="json")
async def compare(url: str) -> list[tuple[float, float, int]]:
    """Take both in turn; return (bare, durable) seconds and the bytes that the step left in the ledger."""
    ledger = SqlLedger(url)
    first = ev.RunReceived(question="q", requester="ana", via="bench", request_key="k", code_version="0")
    journal, _ = begin(ledger, "r-bench", first)
    found: list[tuple[float, float, int]] = []
    for number in range(STEPS):
        start = time.perf_counter()
        await bare(number)
        middle = time.perf_counter()
        await durable(Place(run_id="r-bench", seq=number, kind="turn"))
        recorded = journal.append(ev.Waited(what="turn", reason="x" * 120, attempt=1, until="2026-07-01T00:00:00Z"))
        end = time.perf_counter()
        found.append((middle - start, end - middle, len(recorded.event.model_dump_json())))
    ledger.close()
    return found


def main() -> None:
    """Print the figures."""
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        temporary_settings(QUIET | {PREFECT_LOCAL_STORAGE_PATH: folder}),  # an earlier result would be a cache hit
        prefect_test_harness(server_startup_timeout=120),
    ):
        pairs = asyncio.run(compare(f"sqlite:///{folder}/ledger.db"))[10:]
    plain, ours = (statistics.median(p[i] for p in pairs) * 1e3 for i in (0, 1))
    print(f"bare Prefect task, median of {len(pairs)}: {plain:.2f} ms")
    print(f"durable step, median of {len(pairs)}:      {ours:.2f} ms -> {ours / plain:.2f} x")
    print(
        f"bytes a step leaves in the ledger:    {statistics.mean(p[2] for p in pairs):.0f} (the first "
        f"{pairs[0][2]}, the last {pairs[-1][2]})"
    )


if __name__ == "__main__":
    main()
