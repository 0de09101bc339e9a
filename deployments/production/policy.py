"""The checks of the policy and of the accounts: could everything be approved that may be asked, and by the right ones.

Decides: what an operator of an installation outside the sandbox should know. Never does: judge how generous a policy
is. Why this shape: block values in, verdicts out; nothing is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable

from blocks.policy import Policy as PolicyBlock
from blocks.warehouse import Warehouse
from bq_copilot.policy import Approvals, Policy, Tier
from bq_copilot.spelling import plain
from deployments.production.scene import Scene
from deployments.verdicts import Verdict, bad, good, skipped, warning

EXPLAIN = "bq-copilot policy explain POLICY.yaml   # then put the text into the Policy block"


def look(scene: Scene) -> Iterable[Verdict]:
    """The policy's text, as a value."""
    policy = scene.block(PolicyBlock).value()
    warehouse = scene.blocks.get(Warehouse)
    yield reach(policy)
    yield trust(policy.approvals, sandbox=isinstance(warehouse, Warehouse) and warehouse.is_sandbox)
    yield codes(policy.approvals)


def look_accounts(scene: Scene) -> Iterable[Verdict]:
    """The accounts of the Warehouse block."""
    yield accounts(scene.block(Warehouse))


def reach(policy: Policy) -> Verdict:
    """Judge whether anything may be read."""
    if not policy.allowed_datasets:
        return bad("policy", "allowed_datasets is empty: every question is refused", EXPLAIN)
    found = f"{policy.name}, version {policy.version}, {policy.fingerprint[:19]}…"
    return good("policy", f"{found}; reads {', '.join(policy.allowed_datasets[:3])}{_more(policy.allowed_datasets)}")


def _more(names: tuple[str, ...]) -> str:
    return f" and {len(names) - 3} more" if len(names) > 3 else ""


def trust(approvals: Approvals, *, sandbox: bool) -> Verdict:
    """Judge who is believed to be a person."""
    loose = [name for name in ("trust_form", "trust_local_user") if getattr(approvals, name)]
    if loose and not sandbox:
        mend = f"take {' and '.join(loose)} out of the policy; approvers sign with `bq-copilot keys create NAME`"
        return warning("trust", f"{', '.join(loose)}: an approval then names nobody for sure", mend)
    keyed = sum(bool(person.key) for person in approvals.people.values())
    if not (keyed or approvals.proxy or loose or sandbox):
        mend = "`bq-copilot keys create NAME` for each approver, its public half into the policy's people; or a proxy"
        return bad("trust", "no approver has a key and there is no proxy: nobody can approve anything", mend)
    if sandbox:
        return good("trust", "the sandbox believes this machine's users")
    return good("trust", f"{keyed} people with a key{', and a proxy' if approvals.proxy else ''}")


def codes(approvals: Approvals) -> Verdict:
    """Judge whether each tier that wants codes has enough people who can give one."""
    wanting = [tier for tier in approvals.tiers if tier.require_code]
    if not wanting:
        mend = "require_code: true in the tier above the amount that hurts"
        return warning("codes", "no tier asks for a signed code: who writes the ledger could approve", mend)
    short = [tier for tier in wanting if len(_signers(approvals, tier)) < tier.approvers]
    if short:
        tier = short[0]
        who = f"role {tier.role}" if tier.role else "anybody"
        found = f"tier {tier.tier} wants {tier.approvers} codes of {who}; {len(_signers(approvals, tier))} have a key"
        mend = "`bq-copilot keys create NAME` for those who are missing, its public half into the policy's people"
        return bad("codes", f"{found}: it can never be approved", mend)
    return good("codes", "; ".join(f"tier {t.tier}: {len(_signers(approvals, t))} people can sign" for t in wanting))


def _signers(approvals: Approvals, tier: Tier) -> set[str]:
    """Return the people who can sign and may decide in this tier."""
    signing = {plain(name) for name, person in approvals.people.items() if person.key}
    if not tier.role:
        return signing
    spelled = {plain(alias): plain(name) for name, person in approvals.people.items() for alias in person.aliases}
    members = {spelled.get(plain(member), plain(member)) for member in approvals.roles.get(tier.role, ())}
    return signing & members


def accounts(block: Warehouse) -> Verdict:
    """Judge whether planning and running are different accounts, and whether keys lie about."""
    if block.is_sandbox:
        return skipped("identities", "the sandbox asks nobody; a real project has accounts of its own")
    who = block.accounts
    running = [a for a in (who.executing, *who.by_requester.values()) if a]
    init = f"bq-copilot init-gcp --project {block.project} --dataset DATASET   # then fill the Warehouse block"
    if who.reading and who.reading in running:
        found = f"{who.reading} plans and runs jobs: planning could write"
        return bad("identities", found, f"another reading_account: {init}")
    if not running:
        found = "everybody's jobs run as the block's own credentials"
        return warning("identities", found, f"set executing_account, or executing_accounts by requester: {init}")
    if not who.reading:
        found = "planning uses the block's own credentials, which may act as those that write"
        return warning("identities", found, f"set reading_account: {init}")
    if block.credentials is not None and block.credentials.service_account_info is not None:
        mend = "take the key out of the credentials block; attach the account to the worker hosts instead"
        return warning("identities", f"the block holds a key of {block.principal}", mend)
    if not who.by_requester:
        return good("identities", f"plans as {who.reading}; all jobs run as {who.executing}")
    others = f"everybody else's as {who.executing}" if who.executing else "nobody else may ask for one"
    own = f"jobs of {len(who.by_requester)} requesters run as their own accounts"
    return good("identities", f"plans as {who.reading}; {own}, {others}")
