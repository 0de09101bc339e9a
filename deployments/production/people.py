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


Blocks = Mapping[str, Sequence[Mapping[str, Any]]]
"""Documents of notification blocks, by their names."""


def look_notifications(scene: Scene) -> Iterable[Verdict]:
    """The notification blocks that the policy names: one for all, some for single people."""
    rules = scene.block(PolicyBlock).value().notifications
    found = {name: scene.api.notifiers(name) for name in rules.blocks} if rules.kinds else {}
    yield notifications(rules, found, {name: why for name, one in found.items() if (why := _unusable(one))})


def _unusable(found: Sequence[Mapping[str, Any]]) -> str:
    """Return why the block cannot be used, empty when it can; its values are secrets and are not told."""
    if not found:
        return ""
    try:
        channel_of(dict(found[0]))
    except Exception as error:  # noqa: BLE001 - blocks are anybody's code: whatever it raises, it cannot be used
        return fault(error)
    return ""


def notifications(rules: Notifications, found: Blocks, unusable: Mapping[str, str] | None = None) -> Verdict:
    """Judge whether everybody is told."""
    if not rules.kinds:
        return skipped("notifications", "nobody is told: the policy names no kinds; `bq-copilot pending` is the list")
    missing = [name for name in rules.blocks if not found.get(name)]
    there = {name: kind_of(dict(one[0])) for name, one in found.items() if one}
    said = ", ".join(f"{kind} {name}" for name, kind in there.items())
    for name, why in (unusable or {}).items():
        mend = f"open {name} in the Prefect UI, under Blocks, and save it again"
        return bad("notifications", f"{there[name]} {name} cannot be used here ({why})", mend)
    if missing:
        mend = f"make a notification block (Slack, e-mail, webhook) called {missing[0]} in the Prefect UI, under Blocks"
        first = f"{said} is told" if there else "nobody is told"
        return warning("notifications", f"{first}: there is no notification block called {', '.join(missing)}", mend)
    twice = [name for name, one in found.items() if len(one) > 1]
    if twice:
        several = f"{said} is told; there are several blocks called {', '.join(twice)}, and one of each is used"
        return warning("notifications", several, "give the others another name")
    return good("notifications", f"{said} is told of {', '.join(rules.kinds)} (nothing was sent)")


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
