"""The check of recovery: does anybody look after runs whose process has died, and does anything wait for it.

Decides: from the signs of life in the ledger, from the schedule of the deployment `recover`, and from what should have
been done already. Never does: recover. Why the last one counts most: a service that lives and does nothing is as bad
as none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bq_copilot.ledger_facts import LedgerFacts, Watcher
from bq_copilot.phases import WAITING
from bq_copilot.version import __version__
from deployments.production.scene import Scene
from deployments.verdicts import Verdict, bad, good, skipped, warning

FRESH = 60.0
"""Seconds for which a sign of life counts; a service gives one every 15."""

OVERDUE = 120.0
"""Seconds after which a lease that is over, or an expired request, shows that nobody looks."""

SCHEDULED = 900.0
"""The same for `recover` on a schedule."""

DEPLOYMENT = "recover/recover"
START = "python -m deployments.host   # or `python -m deployments.recovery` alone, beside the workers"


def look(scene: Scene) -> Iterable[Verdict]:
    """Ask the ledger, and the server for the schedule."""
    yield recovery(scene.ledger, is_scheduled(scene.api.deployment(DEPLOYMENT)) if scene.answers else False)


def is_scheduled(deployment: Mapping[str, Any] | None) -> bool:
    """Say whether the deployment is started by an active schedule."""
    if deployment is None or deployment.get("paused"):
        return False
    return any(schedule.get("active") for schedule in deployment.get("schedules") or ())


def recovery(facts: LedgerFacts, scheduled: bool) -> Verdict:
    """Judge the signs of life beside what is overdue."""
    if facts.stands not in {"current", "newer"}:
        return skipped("recovery", "not looked at: the ledger is not of this version")
    alive = [w for w in facts.watchers if _age(facts, w) <= (SCHEDULED if scheduled else FRESH)]
    left = overdue(facts, SCHEDULED + OVERDUE if scheduled else OVERDUE)
    if not alive:
        return _nobody(facts, left, scheduled)
    hosts = ", ".join(sorted(_host(w) for w in alive)[:5])
    if left:
        return bad("recovery", f"{hosts} looks, and yet {left}", "read the recovery log of that host")
    other = sorted({w.version for w in alive} - {__version__})
    if other:
        found = f"{hosts} looks, with version {', '.join(other)}; this is {__version__}"
        return warning("recovery", found, "finish the upgrade: restart the hosts that are behind")
    return good("recovery", f"{hosts} looks{' by schedule' if scheduled else ''}; nothing is overdue")


def _nobody(facts: LedgerFacts, left: str, scheduled: bool) -> Verdict:
    last = min(facts.watchers, key=lambda w: _age(facts, w), default=None)
    was = f"the last one was {_host(last)}, {_age(facts, last) / 60:.0f} min ago" if last else "never seen"
    if scheduled:
        mend = f"prefect flow-run ls --flow-name recover   # why does the schedule of {DEPLOYMENT} start nothing?"
        return bad("recovery", f"its schedule is on, and no run of it looks ({was}){_and(left)}", mend)
    return bad("recovery", f"nobody looks after runs whose process died ({was}){_and(left)}", START)


def _and(left: str) -> str:
    return f"; {left}" if left else ""


def overdue(facts: LedgerFacts, seconds: float) -> str:
    """Return what recovery should have done by now, in words; empty when there is nothing."""
    late = [facts.phases[p].due_at for p in WAITING if p in facts.phases]
    first = min((due for due in late if due is not None), default=None)
    if first is not None and (facts.now - first).total_seconds() > seconds:
        return "a request that expired is still open"
    if facts.lease_over is not None and (facts.now - facts.lease_over).total_seconds() > seconds:
        return "a run whose process died has not been taken over"
    return ""


def _age(facts: LedgerFacts, watcher: Watcher) -> float:
    return (facts.now - watcher.seen_at).total_seconds()


def _host(watcher: Watcher) -> str:
    """Return the host's name without what tells two boots apart."""
    return watcher.holder.partition("/")[0]
