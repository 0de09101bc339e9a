"""The checks of who is told, and of the key that heads are signed with.

Decides: whether somebody would hear of a waiting approval, and whether the removal of receipts would show. Never does:
send a message, sign, or print a key's private half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blocks.policy import Policy as PolicyBlock
from bq_copilot.errors import Refused
from bq_copilot.head_signatures import PRIVATE, trusted_key
from bq_copilot.ledger_facts import LedgerFacts
from bq_copilot.policy import Notifications
from deployments.channels import channel_of, fault, kind_of
from deployments.production.scene import Scene
from deployments.verdicts import Verdict, bad, good, skipped, warning

MAKE_KEY = f"bq-copilot keys create ledger   # then {PRIVATE}=its file in the environment of every host"


def look_notifications(scene: Scene) -> Iterable[Verdict]:
    """The notification block that the policy names."""
    rules = scene.block(PolicyBlock).value().notifications
    found = scene.api.notifiers(rules.block) if rules.kinds else []
    yield notifications(rules, found, _unusable(found))


def _unusable(found: Sequence[Mapping[str, Any]]) -> str:
    """Return why the block cannot be used, empty when it can; its values are secrets and are not told."""
    if not found:
        return ""
    try:
        channel_of(dict(found[0]))
    except Exception as error:  # noqa: BLE001 - blocks are anybody's code: whatever it raises, it cannot be used
        return fault(error)
    return ""


def notifications(rules: Notifications, found: Sequence[Mapping[str, Any]], unusable: str = "") -> Verdict:
    """Judge whether anybody is told."""
    if not rules.kinds:
        return skipped("notifications", "nobody is told: the policy names no kinds; `bq-copilot pending` is the list")
    if not found:
        mend = (
            f"make a notification block called {rules.block} in the Prefect UI, under Blocks (Slack, e-mail, webhook)"
        )
        return warning("notifications", f"nobody is told: there is no notification block called {rules.block}", mend)
    kind = kind_of(dict(found[0]))
    if unusable:
        mend = f"open {rules.block} in the Prefect UI, under Blocks, and save it again"
        return bad("notifications", f"{kind} {rules.block} cannot be used here ({unusable}): nobody is told", mend)
    said = f"{kind} {rules.block} is told of {', '.join(rules.kinds)}"
    if len(found) > 1:
        others = ", ".join(kind_of(dict(one)) for one in found[1:])
        return warning("notifications", f"{said}; {others} of the same name is not", "give the others another name")
    return good("notifications", f"{said} (nothing was sent)")


def look_signing(scene: Scene) -> Iterable[Verdict]:
    """The newest signed head beside this shell's key."""
    try:
        ours = trusted_key(scene.environ)
    except Refused as error:
        yield bad("signing key", str(error), error.next)
        return
    yield signing(scene.ledger, ours)


def signing(facts: LedgerFacts, ours: str) -> Verdict:
    """Judge whether heads are signed, and with the key that is expected here."""
    if not facts.phases:
        return skipped(
            "signing key", "not looked at: there is no run yet whose head could be signed", "" if ours else MAKE_KEY
        )
    if not facts.signed_with:
        found = "no head is signed: who writes the ledger's database can remove the newest rows of a run unseen"
        return warning("signing key", found, MAKE_KEY)
    if ours and facts.signed_with != ours:
        mend = f"set {PRIVATE} on all hosts to the same file; older runs: `bq-copilot verify RUN --key KEY`"
        return warning("signing key", f"the newest head is signed with {facts.signed_with[:20]}…, not with ours", mend)
    return good("signing key", f"heads are signed with {facts.signed_with[:20]}…{', which is ours' if ours else ''}")
