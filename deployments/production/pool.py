"""The checks of the work pool: its template, its queues, its workers, and what waits too long in it.

Decides: what keeps runs from being taken. Never does: change the pool. Why this shape: what the server says comes in
as it is sent, and each judgement is a function of that alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from deployments.local.environment import WORK_POOL
from deployments.pools.make import HERE
from deployments.production.scene import Scene
from deployments.specification import PoolSpec, QueueSpec, pool_spec, working_folder
from deployments.verdicts import Verdict, bad, good, skipped, warning

PROVISION = "python -m deployments.provision"
POOL = f"/work_pools/{WORK_POOL}"
RECENT = 3600.0
"""Seconds for which a worker that fell silent is news; after that it was probably taken away."""

ABSENT = "not looked at: there is no work pool"

LATE = 60.0
"""Seconds after which a late run is told; a busy pool lets some wait for a moment."""

OWN_RETRIES = {"kubernetes": "backoff_limit", "cloud-run-v2": "max_retries"}
"""By type of pool: the variable with which it would start a dead run again by itself."""

OF_THE_MACHINE = ("command", "working_dir")
"""Defaults of the process template that follow from where provisioning ran."""

Json = Mapping[str, Any]


def look_pool(scene: Scene) -> Iterable[Verdict]:
    """The pool and its template."""
    pool = scene.api.look(POOL)
    yield template(pool, pool_spec(working_folder(scene.environ)).job_template) if pool else no_pool()


def look_queues(scene: Scene) -> Iterable[Verdict]:
    """Its queues."""
    found = scene.api.look(f"{POOL}/queues/filter", {})
    yield skipped("queues", ABSENT) if found is None else queues(found, PoolSpec().queues)


def look_workers(scene: Scene) -> Iterable[Verdict]:
    """Who takes runs from it."""
    pool = scene.api.look(POOL)
    if pool is None:
        yield skipped("workers", ABSENT)
        return
    found = scene.api.look(f"{POOL}/workers/filter", {}) or ()
    yield workers(found, scene.api.clock or datetime.now(UTC), str(pool["type"]))


def look_late(scene: Scene) -> Iterable[Verdict]:
    """Runs that nobody took in time."""
    query = {
        "work_pools": {"name": {"any_": [WORK_POOL]}},
        "flow_runs": {"state": {"name": {"any_": ["Late"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": 200,
    }
    yield late(scene.api.look("/flow_runs/filter", query) or (), scene.api.clock or datetime.now(UTC))


def no_pool() -> Verdict:
    """Say that there is none of our name."""
    return bad("work pool", f"there is no work pool called {WORK_POOL}: no run can be asked for", PROVISION)


def template(pool: Json, ours: Json) -> Verdict:
    """Judge the pool; `ours` is the process template that provisioning would write."""
    kind, limit = str(pool["type"]), pool.get("concurrency_limit")
    if pool["is_paused"]:
        return bad("work pool", "it is paused: nothing starts", f"prefect work-pool resume {WORK_POOL}")
    if limit == 0:
        return bad(
            "work pool", "its limit is 0: nothing starts", f"prefect work-pool clear-concurrency-limit {WORK_POOL}"
        )
    found = f"{WORK_POOL}, type {kind}, {'no limit' if limit is None else f'at most {limit} runs at once'}"
    if kind == "process":
        return _process(found, pool["base_job_template"], ours)
    return _containers(found, kind, pool["base_job_template"])


def _process(found: str, theirs: Json, ours: Json) -> Verdict:
    if _neutral(theirs) != _neutral(ours):
        return warning("work pool", f"{found}; its job template is not the one of this version", PROVISION)
    return good("work pool", f"{found}; runs start in {theirs['variables']['properties']['working_dir']['default']}")


def _neutral(template: Json) -> Any:
    """Return a template without what differs from one machine to the next."""
    made = deepcopy(dict(template))
    for name in OF_THE_MACHINE:
        made.get("variables", {}).get("properties", {}).get(name, {}).pop("default", None)
    return made


def _containers(found: str, kind: str, theirs: Json) -> Verdict:
    """A pool of containers belongs to its operator; only what would start a run twice, or beside ours, is said."""
    variables = theirs.get("variables", {}).get("properties", {})
    retries = OWN_RETRIES.get(kind, "")
    given = variables.get(retries, {}).get("default")
    file = HERE / f"{kind}.json"
    if retries and given != 0:
        mend = f"set the default of {retries} to 0 in the pool's base job template: recovery puts dead runs back"
        return warning("work pool", f"{found}; {retries} is {given}: it starts dead runs again by itself", mend)
    if not file.exists():
        return warning("work pool", f"{found}; there is no template of ours for this type", "see deployments/pools")
    if json.loads(file.read_text("utf-8"))["job_configuration"].keys() != theirs["job_configuration"].keys():
        mend = f"prefect work-pool update {WORK_POOL} --base-job-template deployments/pools/{kind}.json"
        return warning("work pool", f"{found}; its job template is of another version of Prefect", mend)
    return good("work pool", f"{found}; image {variables.get('image', {}).get('default') or 'of each deployment'}")


def queues(found: Sequence[Json], wanted: Sequence[QueueSpec]) -> Verdict:
    """Judge the queues: ours must be there and in order, none may stand still."""
    by_name = {str(queue["name"]): queue for queue in found}
    absent = [queue.name for queue in wanted if queue.name not in by_name]
    if absent:
        return bad("queues", f"missing: {', '.join(absent)}", PROVISION)
    paused = sorted(name for name, queue in by_name.items() if queue["is_paused"])
    if paused:
        mend = "; ".join(f"prefect work-queue resume {name} --pool {WORK_POOL}" for name in paused[:5])
        return bad("queues", f"paused, nothing of them starts: {_some(paused)}", mend)
    closed = sorted(name for name, queue in by_name.items() if queue.get("concurrency_limit") == 0)
    if closed:
        mend = "; ".join(f"prefect work-queue clear-concurrency-limit {n} --pool {WORK_POOL}" for n in closed[:5])
        return bad("queues", f"their limit is 0, nothing of them starts: {_some(closed)}", mend)
    order = [by_name[queue.name]["priority"] for queue in wanted]
    if order != sorted(order):
        return warning("queues", f"{' does not go before '.join(queue.name for queue in wanted)}", PROVISION)
    asked = sum(name.startswith("asked-by-") for name in by_name)
    return good("queues", f"{', '.join(queue.name for queue in wanted)}, and {asked} of requesters")


def workers(found: Sequence[Json], now: datetime, kind: str = "process") -> Verdict:
    """Judge who takes runs, by the server's own clock."""
    ages = {str(w["name"]): _age(w.get("last_heartbeat_time"), now) for w in found}
    online = sorted(str(w["name"]) for w in found if w.get("status") == "ONLINE")
    silent = {name: age for name, age in ages.items() if name not in online and age is not None}
    if not online:
        last = min(silent.items(), key=lambda item: item[1], default=None)
        was = f"; the last one was {last[0]}, {_ago(last[1])} ago" if last else "; there has never been one"
        begin = "python -m deployments.host" if kind == "process" else f"prefect worker start --pool {WORK_POOL}"
        return bad("workers", f"no worker is online{was}", f"{begin}   # on a worker host")
    said = f"{len(online)} online: {_some(online)}"
    fresh = sorted(name for name, age in silent.items() if age < RECENT)
    if fresh:
        gone = ", ".join(f"{name} for {_ago(silent[name])}" for name in fresh[:3])
        return warning(
            "workers", f"{said}; silent: {gone}", "look at that host; nothing is to be done if it was taken away"
        )
    return good("workers", said)


def late(found: Sequence[Json], now: datetime) -> Verdict:
    """Judge the runs that should have begun."""
    ages = [age for run in found if (age := _age(run.get("expected_start_time"), now)) is not None]
    waiting = [age for age in ages if age > LATE]
    if not waiting:
        return good("late runs", "none")
    many = f"{len(waiting)}{' or more' if len(found) == 200 else ''}"
    mend = f"prefect work-queue ls --pool {WORK_POOL}   # limits that are reached; then look at workers above"
    return warning("late runs", f"{many} should have begun, the first one {_ago(max(waiting))} ago", mend)


def _age(said: Any, now: datetime) -> float | None:
    return (now - datetime.fromisoformat(str(said))).total_seconds() if said else None


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _some(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
