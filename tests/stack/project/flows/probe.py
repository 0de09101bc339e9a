"""Flows that tell what they see: their process, folder and environment."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

VERSION = "one"


def trace(**facts: object) -> None:
    """Append what is known now to the file of this run."""
    folder = Path(os.environ["BQ_COPILOT_HOME"]) / "traces"
    folder.mkdir(exist_ok=True)
    seen = {
        "time": time.time(),
        "pid": os.getpid(),
        "warm": "deployments.warm.job" in sys.modules,
        "cwd": str(Path.cwd()),
    }
    with (folder / str(flow_run.id)).open("a") as stream:
        stream.write(json.dumps({**seen, "version": VERSION, **facts}) + "\n")


def on_cancelled(flow: Any, flow_run: Any, state: Any) -> None:
    """Leave a mark that the hook ran."""
    folder = Path(os.environ["BQ_COPILOT_HOME"]) / "traces"
    (folder / f"{flow_run.id}.cancelled").touch()


@flow(on_cancellation=[on_cancelled])
async def nap(seconds: float = 0.0) -> str:
    """Say hello, sleep, end."""
    beats = get_current_settings().flows.heartbeat_frequency
    trace(at="start", variable=os.environ.get("PROBE_VARIABLE", ""), beats=beats)
    get_run_logger().info("hello from the nap")
    print("printed by the nap")
    await asyncio.sleep(seconds)
    trace(at="end")
    return "rested"


class Answer(RunInput):
    """What the person says."""

    word: str


@flow
async def question() -> str:
    """Ask, and hold no process until there is an answer."""
    trace(at="start")
    answer = await asuspend_flow_run(wait_for_input=Answer, key="word", timeout=600)
    trace(at="answered", word=answer.word)
    return answer.word
