"""The checks of `doctor` that look at a running stack, from outside, as its users do.

Decides: one verdict each. Never does: restart or kill. Why this shape: each names the log to read or the command to
run; a check of a part that this stack does not have is skipped, not good.
"""

from __future__ import annotations

import os
import time
from importlib.metadata import version

from bq_copilot.errors import CopilotError
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.policy import Notifications
from bq_copilot.policy_file import policy_from_yaml
from deployments.local.environment import WORK_POOL, WORKER_NAME
from deployments.local.home import PROJECT_ROOT
from deployments.local.liveness import members
from deployments.local.login import login_of
from deployments.local.plan import stack_plan
from deployments.local.probes import Heartbeat, Listening, request
from deployments.local.scene import Scene, not_running
from deployments.verdicts import Verdict, bad, good, skipped, warning

_MANY_RESTARTS = 3
_LARGEST_SKEW_SECONDS = 2.0


def supervisor(scene: Scene) -> Verdict:
    """A record without a living supervisor is stale."""
    if scene.status.running:
        pid = scene.record.pids.get("supervisor") if scene.record else None
        return good("supervisor", f"alive, pid {pid}")
    if scene.status.record is not None:
        return bad("supervisor", "it has died and left its record behind", "`bq-copilot up` cleans up and starts")
    return warning("supervisor", "the stack does not run", "`bq-copilot up`")


def processes(scene: Scene) -> Verdict:
    """All of them answer, and none is started again and again."""
    if scene.record is None:
        return not_running("processes")
    sick = [p for p in scene.status.processes if not p.is_good]
    restless = [p for p in scene.status.processes if p.restarts > _MANY_RESTARTS and p not in sick]
    if sick:
        found = ", ".join(f"{p.name} is {p.state} (last exit {p.last_exit})" for p in sick)
        return bad("processes", found, "read " + " ".join(str(scene.home.log(p.name)) for p in sick))
    if restless:
        found = ", ".join(f"{p.name} was started {p.restarts + 1} times" for p in restless)
        return warning("processes", found, "read " + " ".join(str(scene.home.log(p.name)) for p in restless))
    return good("processes", ", ".join(p.name for p in scene.status.processes))


def strays(scene: Scene) -> Verdict:
    """Processes of this stack that nobody supervises."""
    found = [pid for pid in members(scene.home.stack_id) if pid != os.getpid()]
    if scene.status.running or not found:
        return good("strays", "none")
    return bad("strays", f"{len(found)} processes without a supervisor: {found}", "`bq-copilot down --hard`")


def same_code(scene: Scene) -> Verdict:
    """The stack was started from this checkout."""
    if scene.record is None:
        return not_running("code")
    if scene.record.project != str(PROJECT_ROOT):
        mend = "`bq-copilot down`, then `bq-copilot up` from this checkout"
        return warning("code", f"the stack runs {scene.record.project}, this is {PROJECT_ROOT}", mend)
    return good("code", scene.record.project)


def server(scene: Scene) -> Verdict:
    """The Prefect server answers and has our client's version."""
    if not scene.runs("server") or scene.record is None:
        return not_running("server")
    theirs = request("GET", f"{scene.record.prefect_api_url}/admin/version", login=login_of(scene.home))
    if theirs is None:
        return bad("server", "does not answer", f"wait 10 s, then read {scene.home.log('server')}")
    if theirs != version("prefect"):
        mend = "`bq-copilot down`, then `bq-copilot up`: it still runs the version from before an upgrade"
        return bad("server", f"is {theirs}, the client is {version('prefect')}", mend)
    return good("server", f"{theirs} at {scene.record.prefect_ui_url}")


def worker(scene: Scene) -> Verdict:
    """The worker's last heartbeat is recent."""
    if not scene.runs("worker") or scene.record is None:
        return not_running("worker")
    beat = Heartbeat(scene.record.prefect_api_url, WORK_POOL, WORKER_NAME, fresh_seconds=60, login=login_of(scene.home))
    last = beat.last()
    if last is None or time.time() - last > beat.fresh_seconds:
        age = "never" if last is None else f"{time.time() - last:.0f} s ago"
        return bad("worker", f"last heartbeat: {age}", f"read {scene.home.log('worker')}")
    return good("worker", f"last heartbeat {time.time() - last:.0f} s ago")


def warm_runner(scene: Scene) -> Verdict:
    """Runs start from the preloaded interpreter."""
    if not scene.runs("warm"):
        return not_running("warm runner")
    if Listening(scene.home.warm_socket).healthy(0):
        return good("warm runner", f"listens on {scene.home.warm_socket}")
    mend = f"runs start, two seconds slower; read {scene.home.log('warm')}"
    return warning("warm runner", "does not listen", mend)


def deployments(scene: Scene) -> Verdict:
    """Our work pool takes work and has deployments."""
    if not scene.runs("server") or scene.record is None:
        return not_running("deployments")
    api = scene.record.prefect_api_url
    pool = request("GET", f"{api}/work_pools/{WORK_POOL}", login=login_of(scene.home))
    query = {"work_pools": {"name": {"any_": [WORK_POOL]}}}
    found = request("POST", f"{api}/deployments/filter", query, login_of(scene.home)) or []
    if pool is None or not found:
        return bad("deployments", "none on our work pool", "`python -m deployments.provision`")
    if pool["is_paused"]:
        return bad("deployments", "the work pool is paused", f"`prefect work-pool resume {WORK_POOL}`")
    return good("deployments", ", ".join(sorted(d["name"] for d in found)))


def warehouse(scene: Scene) -> Verdict:
    """The sandbox answers and holds tables."""
    if not scene.runs("sandbox") or scene.record is None:
        return skipped("warehouse", "no sandbox in this stack")
    health = request("GET", f"{scene.record.warehouse_url}/health")
    if not isinstance(health, dict):
        return bad("warehouse", "the sandbox does not answer", f"read {scene.home.log('sandbox')}")
    if not health.get("tables"):
        mend = f"remove {scene.home.seed} and {scene.home.sandbox}, then `bq-copilot down` and `bq-copilot up`"
        return bad("warehouse", "the sandbox has no tables", mend)
    return good("warehouse", f"{health['tables']} tables at {scene.record.warehouse_url}")


def model(scene: Scene) -> Verdict:
    """The offline model answers; a real one is not called, because that costs money."""
    if scene.record is None:
        return not_running("model")
    offline = next((p for p in stack_plan(scene.home, scene.record.ports, scene.environ) if p.name == "model"), None)
    if offline is None or not scene.runs("model"):
        return skipped("model", f"{scene.record.model_url or 'the official endpoint'} (not called)")
    if not offline.probe.healthy(0):
        return bad("model", "the offline model does not answer", f"read {scene.home.log('model')}")
    return good("model", f"offline model at {scene.record.model_url}")


def notifications(scene: Scene) -> Verdict:
    """Somebody is told when a run needs a person; without a block nobody is, and `pending` is the only list."""
    if not scene.runs("server") or scene.record is None:
        return not_running("notifications")
    api, login = scene.record.prefect_api_url, login_of(scene.home)
    policy = request("GET", f"{api}/block_types/slug/bq-copilot-policy/block_documents/name/default", login=login)
    rules = policy_from_yaml(policy["data"]["text"]).notifications if policy else Notifications()
    if not rules.kinds:
        return skipped("notifications", "nobody is told: the policy names no kinds")
    names = rules.blocks
    wanted = {
        "block_documents": {"name": {"any_": names}, "is_anonymous": {"eq_": False}},
        "block_schemas": {"block_capabilities": {"all_": ["notify"]}},
    }
    found = request("POST", f"{api}/block_documents/filter", wanted, login)
    kinds = {str(one["name"]): str(one["block_type"]["slug"]) for one in found}
    missing = [name for name in names if name not in kinds]
    if not kinds:
        return skipped("notifications", f"nobody is told: there is no notification block called {' or '.join(missing)}")
    there = ", ".join(f"{kinds[name]} {name}" for name in names if name in kinds)
    if missing:
        mend = "make it in the Prefect UI, or take it out of the policy's `notifications`"
        return warning("notifications", f"{there} is told; there is no block called {', '.join(missing)}", mend)
    return good("notifications", f"{there} is told of {', '.join(rules.kinds)}")


def ledger(scene: Scene) -> Verdict:
    """The ledger's database can be opened and written."""
    if not scene.home.root.exists():
        return skipped("ledger", "no state folder yet")
    try:
        store = SqlLedger(scene.home.ledger_url)
        store.now()
        store.close()
    except CopilotError as error:
        return bad("ledger", str(error), "free disk space, or make the file writable; nothing runs without it")
    return good("ledger", scene.home.ledger_url)


def clock(scene: Scene) -> Verdict:
    """The ledger's clock, which decides expiry, agrees with this machine's."""
    if not scene.home.root.exists():
        return skipped("clock", "no state folder yet")
    store = SqlLedger(scene.home.ledger_url)
    skew = abs(store.now().timestamp() - time.time())
    store.close()
    if skew > _LARGEST_SKEW_SECONDS:
        return warning("clock", f"differs by {skew:.1f} s", "set the clock (NTP): expiry follows the database's")
    return good("clock", f"differs by {skew * 1000:.0f} ms")
