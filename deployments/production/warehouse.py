"""The check of the warehouse: may the accounts of the block do their work, and nothing else.

Decides: which accounts and datasets are looked at, and how the findings of `gcp_check` read here. Never does: bill a
byte; what is asked is tokens, dry runs, `datasets.get`, `tables.list` and `testIamPermissions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blocks.policy import Policy as PolicyBlock
from blocks.warehouse import Warehouse
from bq_copilot.errors import CopilotError, Refused
from deployments import gcp_check
from deployments.gcp_check import Finding
from deployments.gcp_plan import Wanted
from deployments.production.scene import Scene
from deployments.verdicts import Verdict, bad, good, skipped, warning

MOST = 8
"""Executing accounts, and datasets, that one visit looks at; each takes some calls."""

SIGN_IN = (
    "run doctor on a worker host, or `gcloud auth application-default login` first, as who may act as the accounts"
)


def look(scene: Scene) -> Iterable[Verdict]:
    """Look as each account."""
    block = scene.block(Warehouse)
    if block.is_sandbox:
        yield sandbox(block)
        return
    policy = scene.blocks.get(PolicyBlock)
    allowed = policy.value().allowed_datasets if isinstance(policy, PolicyBlock) else ()
    wanted = wanted_of(block, allowed)
    from deployments.gcp_project import GoogleProject  # noqa: PLC0415 - loads Google's client

    if why := unsigned(block):
        yield skipped("warehouse", f"not looked at: {why}", SIGN_IN)
    elif wanted is None:
        yield own(block)
    else:
        yield from said(gcp_check.check(wanted, GoogleProject(wanted, block)))
        yield from unseen(block, allowed)


def sandbox(block: Warehouse) -> Verdict:
    """The sandbox has neither accounts nor rights; it answers or not."""
    try:
        block.open().dry_run("SELECT 1", ())
    except CopilotError as error:
        return bad(
            "warehouse", f"the sandbox at {block.endpoint} does not answer: {error}", "start it, or clear `endpoint`"
        )
    mend = "clear `endpoint` of the Warehouse block, and name the project"
    return warning("warehouse", f"{block.endpoint} is the sandbox: its figures are not BigQuery's", mend)


def unsigned(block: Warehouse) -> str:
    """Return why this process can act as nobody, empty when it can; no token is asked for."""
    try:
        block.own()
    except Refused as error:
        return str(error)
    return ""


def own(block: Warehouse) -> Verdict:
    """Without accounts of our own to act as, the block's credentials do everything."""
    try:
        adapter = block.open()
        adapter.dry_run("SELECT 1", ())
        seen = adapter.describe_dataset(f"{block.project}.{block.scratch_dataset}")
    except CopilotError as error:
        return bad("warehouse", str(error), error.next or "bq show --project_id " + block.project)
    return scratch(block, str(seen.get("location", "")), int(seen.get("defaultTableExpirationMs") or 0))


def scratch(block: Warehouse, location: str, life: int) -> Verdict:
    """Judge the scratch dataset."""
    name = f"{block.project}:{block.scratch_dataset}"
    if location.upper() != block.location.upper():
        found = f"the scratch dataset {name} lies in {location}, jobs run in {block.location}"
        return bad("warehouse", found, "correct `location` or `scratch_dataset` of the Warehouse block")
    if not life:
        mend = f"bq update --default_table_expiration={int(block.scratch_days * 86_400)} {name}"
        return bad("warehouse", f"tables of the scratch dataset {name} never expire", mend)
    return good("warehouse", f"{block.label}: a dry run passed; tables in {name} live {life / 86_400_000:g} days")


def wanted_of(block: Warehouse, allowed: Sequence[str]) -> Wanted | None:
    """Return what the block's accounts should be able to do; None when there is none to act as."""
    who = block.accounts
    running = tuple(dict.fromkeys(a for a in (who.executing, *who.by_requester.values()) if a))
    if not (who.reading and running):
        return None
    return Wanted(
        block.project,
        block.location,
        exact(allowed)[:MOST],
        block.scratch_dataset,
        max(1, int(block.scratch_days)),
        reading=who.reading,
        executing=running[:MOST],
    )


def exact(allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the datasets that the policy names without a wildcard."""
    return tuple(name for name in allowed if name.count(".") == 1 and not set(name) & set("*?["))


def said(findings: Iterable[Finding]) -> Iterable[Verdict]:
    """Turn findings into verdicts: what is there in one line, everything else in one each."""
    there = []
    for one in findings:
        if one.state == gcp_check.MISSING:
            yield bad("warehouse", f"{one.what}: {one.found}", one.next)
        elif one.state == gcp_check.UNKNOWN:
            yield skipped("warehouse", f"{one.what}: {one.found}", one.next)
        else:
            there.append(one.what)
    if there:
        yield good("warehouse", f"{len(there)} of the accounts' rights are as they should be: {'; '.join(there[:4])}…")


def unseen(block: Warehouse, allowed: Sequence[str]) -> Iterable[Verdict]:
    """Say what one visit leaves out."""
    globs = [name for name in allowed if name not in exact(allowed)]
    if globs:
        yield skipped("warehouse", f"not looked at, because they have wildcards: {', '.join(globs[:5])}")
    many = len(exact(allowed)) - MOST
    running = len(set(block.executing_accounts.values()) | {block.executing_account} - {""}) - MOST
    if many > 0 or running > 0:
        mend = "bq-copilot init-gcp --check --help   # looks at those that you name"
        yield skipped(
            "warehouse", f"not looked at: {max(0, many)} more datasets, {max(0, running)} more accounts", mend
        )
