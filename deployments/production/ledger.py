"""The checks of the ledger: is it there, of this version, and does it keep what it was given.

Decides: what one look at its database means. Never does: open it for writing, or make tables in an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from bq_copilot import ledger_facts
from bq_copilot.ledger_facts import LedgerFacts
from bq_copilot.phases import Phase
from deployments.production.scene import Scene, safe_url
from deployments.verdicts import Verdict, bad, good, skipped, warning

UPGRADE = "bq-copilot ledger upgrade   # after a backup"
OLDEST_POSTGRESQL = 14
"""The oldest major version that still gets fixes."""

LARGEST_SKEW = 5.0
"""Seconds; the server tells its clock to the second only."""

UNSETTLED = 600.0
"""Seconds after which a cancel that nobody confirms is told."""


def look(scene: Scene) -> Iterable[Verdict]:
    """One look at the database, and all that follows from it."""
    if not scene.ledger_url:
        yield skipped("ledger", "not looked at: no usable Ledger Store block says where it is")
        return
    facts = scene.facts = ledger_facts.look(scene.ledger_url, lambda: datetime.now(UTC))
    yield tables(facts, safe_url(scene.ledger_url))
    yield durability(facts)
    if scene.answers:
        scene.api.look("/admin/version")
    yield clocks(facts, scene.api.clock if scene.answers else None)
    yield runs(facts)
    yield circuits(facts)


def tables(facts: LedgerFacts, where: str) -> Verdict:
    """Judge place and revision."""
    found = f"{where}, revision {facts.revision or 'without a stamp'}"
    if facts.stands == "empty":
        mend = f"{UPGRADE}, if this is the right database; else correct `url` of the Ledger Store block"
        return warning("ledger", f"{where} holds no ledger yet; the first question makes one", mend)
    if facts.stands == "older":
        return bad("ledger", f"{found}; this version needs {facts.wanted}", UPGRADE)
    if facts.standby:
        mend = "point `url` of the Ledger Store block to the primary"
        return bad("ledger", f"{found}; it is a standby that cannot be written", mend)
    if not facts.may_insert:
        mend = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO the user of `url`"
        return bad("ledger", f"{found}; its user may not insert into events", mend)
    if facts.stands == "newer":
        mend = "run this command with the version of the hosts; older hosts go on until they are upgraded"
        return warning("ledger", f"{found}; this version writes {facts.wanted}", mend)
    if not facts.encrypted:
        mend = "add ?sslmode=verify-full to `url` of the Ledger Store block"
        return warning("ledger", f"{found}; the connection is not encrypted", mend)
    return good("ledger", found)


def durability(facts: LedgerFacts) -> Verdict:
    """Judge whether a committed event survives a crash of the database."""
    if facts.dialect != "postgresql":
        mend = "move to PostgreSQL before a second host joins: a SQLite file is for the processes of one machine"
        return warning("durability", "SQLite: every commit is synced, on this one machine", mend)
    version = facts.settings["server_version"]
    unsafe = [name for name in ("fsync", "full_page_writes") if facts.settings[name] == "off"]
    if unsafe:
        mend = "; ".join(f"ALTER SYSTEM SET {name} = on" for name in unsafe) + "; SELECT pg_reload_conf()"
        return bad("durability", f"PostgreSQL {version} with {', '.join(unsafe)} off: a crash may lose approvals", mend)
    if facts.settings["synchronous_commit"] == "off":
        mend = "ALTER DATABASE the_ledger SET synchronous_commit = on, then restart the hosts"
        return bad("durability", f"PostgreSQL {version} with synchronous_commit off: a crash may lose approvals", mend)
    if int(facts.settings["server_version_num"]) // 10_000 < OLDEST_POSTGRESQL:
        mend = f"upgrade the database to PostgreSQL {OLDEST_POSTGRESQL} or newer"
        return warning("durability", f"PostgreSQL {version} gets no fixes any more", mend)
    return good("durability", f"PostgreSQL {version}, every commit is synced before it counts")


def clocks(facts: LedgerFacts, server: datetime | None) -> Verdict:
    """Compare the ledger's clock, which decides expiry, with the server's and this machine's."""
    here = (facts.now - facts.here).total_seconds()
    apart = {"this machine's": here}
    if server is not None:
        apart["the Prefect server's"] = (facts.now - server).total_seconds()
    worst = max(apart, key=lambda name: abs(apart[name]))
    if abs(apart[worst]) > LARGEST_SKEW:
        ahead = "ahead of" if apart[worst] > 0 else "behind"
        mend = "timedatectl set-ntp true   # on the machine that is off; expiry follows the ledger's clock"
        return warning("clocks", f"the ledger's is {abs(apart[worst]):.0f} s {ahead} {worst}", mend)
    named = " and ".join(apart)
    return good("clocks", f"the ledger's agrees with {named}, to within {max(1.0, abs(apart[worst])):.0f} s")


def runs(facts: LedgerFacts) -> Verdict:
    """Judge what waits for an operator."""
    if facts.stands not in {"current", "newer"}:
        return skipped("runs", "not looked at: the ledger is not of this version")
    parked = facts.phases.get(Phase.PARKED)
    if parked:
        return warning("runs", f"{parked.runs} parked, each waits for an operator", "bq-copilot runs --phase parked")
    stopping = facts.phases.get(Phase.CANCELLING)
    if stopping and (facts.now - stopping.moved_at).total_seconds() > UNSETTLED:
        mend = "bq-copilot runs --phase cancelling   # `show RUN` names the jobs that may be alive"
        return warning("runs", f"{stopping.runs} cancelled and not confirmed by the warehouse", mend)
    waiting = facts.phases.get(Phase.AWAITING_APPROVAL)
    return good("runs", f"none is parked; {waiting.runs if waiting else 0} wait for an approval")


def circuits(facts: LedgerFacts) -> Verdict:
    """Judge whether the runs have given up a provider for a while."""
    failing = [name for name, until in facts.circuits.items() if until > facts.now]
    if failing:
        mend = "look at the checks of the warehouse and the model below; runs go on by themselves when it answers"
        return warning("outages", f"eight failures in a row, nobody asks it for a while: {', '.join(failing)}", mend)
    return good("outages", "the runs have given up neither warehouse nor model")
