"""What every task of the project shares: its place in the run as cache key, JSON results, no retries of its own.

A task is one effect. Its key is where it stands in the run and what went into it, so a process that takes over
finds the result that an earlier one left, and a redeploy or a changed policy never answers for another step.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.settings import get_current_settings
from prefect.tasks import Task
from pydantic import BaseModel, ConfigDict

from bq_copilot import identity


class Place(BaseModel):
    """Where in a run a step stands, and the digest of what went into it."""

    model_config = ConfigDict(frozen=True)
    run_id: str
    seq: int
    kind: str
    inputs: str = ""


def _key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    place: Place = parameters["place"]
    return identity.step_key(place.run_id, place.seq, place.kind, place.inputs)


POSITION = CacheKeyFnPolicy(cache_key_fn=_key)


ONCE: dict[str, Any] = {"retries": 0}
"""No task retries by itself: the run's one owner of retries is `tasks.retries`, which records every wait."""


def results_folder() -> Path | None:
    """Return the folder that the settings name for results; None where a block, or the server's default, may be meant.

    A flow that says where its results are does not ask the server for its default, twice, before each start.
    """
    results = get_current_settings().results
    named = "local_storage_path" in results.model_fields_set and results.default_storage_block is None
    return results.local_storage_path if named else None


P = ParamSpec("P")
R = TypeVar("R")
Decorator = Callable[[Callable[P, R]], Task[P, R]]


def effect(name: str) -> Decorator[P, R]:
    """Decorate a task whose result is kept and found again by its place; its first parameter is `place`."""
    return task(name=name, cache_policy=POSITION, persist_result=True, result_serializer="json", **ONCE)


def look(name: str) -> Decorator[P, R]:
    """Decorate a task that only looks: it is done anew each time."""
    return task(name=name, persist_result=False, cache_policy=NO_CACHE, **ONCE)
