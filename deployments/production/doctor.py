"""`doctor` of an installation that is not the local stack: all checks, in the order in which an operator mends.

Decides: which checks there are, and what rests on what: the server first, then the blocks, then the ledger, then
everything else side by side. Never does: write anything anywhere, bill a byte, spend a token, send a message, print a
secret. Why this shape: what is asked of systems of others is bounded by deadlines, so a visit ends within minutes
whatever is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from blocks.language_model import LanguageModel
from blocks.policy import Policy
from blocks.warehouse import Warehouse
from bq_copilot.prefect_api import PrefectApi, headers_of
from deployments.local.checks_machine import package_versions
from deployments.production import (
    deployed,
    documents,
    ledger,
    model,
    people,
    policy,
    pool,
    recovery,
    server,
    storage,
    warehouse,
)
from deployments.production.running import hide, run
from deployments.production.scene import LEDGER, Check, Scene, password_of
from deployments.verdicts import Verdict, good

FIRST = (
    (Check("server", server.look, server=False),),
    (Check("blocks", documents.look),),
    (Check("ledger", ledger.look, server=False),),
)
"""Each of these is waited for: what comes after rests on it."""

REST = (
    Check("recovery", recovery.look, ledger=True, server=False),
    Check("work pool", pool.look_pool),
    Check("queues", pool.look_queues),
    Check("workers", pool.look_workers),
    Check("late runs", pool.look_late),
    Check("deployments", deployed.look_deployments, seconds=60),
    Check("limits", deployed.look_limits),
    Check("block types", deployed.look_types),
    Check("policy", policy.look, needs=(Policy,)),
    Check("identities", policy.look_accounts, needs=(Warehouse,)),
    Check("warehouse", warehouse.look, needs=(Warehouse,), seconds=90),
    Check("results", storage.look, server=False, seconds=45),
    Check("model", model.look, needs=(LanguageModel,), seconds=45),
    Check("notifications", people.look_notifications, needs=(Policy,)),
    Check("automation", deployed.look_automation),
    Check("signing key", people.look_signing, ledger=True, server=False),
)


def doctor(api_url: str, environ: Mapping[str, str], environment: str = "default") -> list[Verdict]:
    """All verdicts, in the order of the checks; whatever is down, it returns."""
    scene = Scene(PrefectApi(api_url, headers_of(environ)), environ, environment)
    place = f"{scene.api.url}, its blocks called {environment}"
    verdicts = [good("installation", place), package_versions()]
    try:
        for checks in (*FIRST, REST):
            verdicts += run(checks, scene)
    finally:
        scene.api.close()
    return hide(verdicts, secrets_of(scene))


def secrets_of(scene: Scene) -> set[str]:
    """Return every secret that this process has come to know, to keep it out of what is printed."""
    environ = scene.environ
    login, url = environ.get("PREFECT_API_AUTH_STRING", ""), environ.get("PREFECT_API_URL", "")
    found = {login, login.partition(":")[2], environ.get("PREFECT_API_KEY", ""), urlsplit(url).password or ""}
    found |= {password_of(environ.get(LEDGER, "")), environ.get("OPENAI_API_KEY", "")}
    return found | scene.secrets
