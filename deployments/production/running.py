"""Makes checks side by side, each with a deadline, and turns whatever comes of them into verdicts.

Decides: what an error or a silence means. Never does: let one check hide another, or let a secret through. Why this
shape: a check that hangs sits in a thread of its own that nobody waits for; the answers stand in the order of the
checks, whichever was first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bq_copilot.errors import CopilotError
from deployments.production.scene import Check, Scene
from deployments.verdicts import Verdict, bad, skipped

SHORTEST = 6
"""Characters that a secret has at least; hiding a shorter one would make riddles of ordinary words."""

HIDDEN = "********"


@dataclass
class _Going:
    """A check at work."""

    check: Check
    found: list[Verdict] | None = None

    def work(self, scene: Scene) -> None:
        self.found = made(self.check, scene)


def run(checks: Sequence[Check], scene: Scene) -> list[Verdict]:
    """Return the verdicts of all checks, in their order."""
    going = [_Going(check) for check in checks]
    threads = [threading.Thread(target=one.work, args=(scene,), daemon=True) for one in going]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    verdicts: list[Verdict] = []
    for one, thread in zip(going, threads, strict=True):
        thread.join(max(0.0, started + one.check.seconds - time.monotonic()))
        verdicts += one.found if one.found is not None else [silent(one.check)]
    return verdicts


def made(check: Check, scene: Scene) -> list[Verdict]:
    """Make one check, if what it needs is there."""
    if why := missing(check, scene):
        return [skipped(check.name, why)]
    try:
        return list(check.look(scene))
    except CopilotError as error:
        return [bad(check.name, str(error), error.next or "try again; then look at what it names")]
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not the end of the visit
        found = f"the check itself failed: {type(error).__name__}: {error}"
        return [bad(check.name, found, "report this line; the other checks do not depend on it")]


def missing(check: Check, scene: Scene) -> str:
    """Return what keeps the check from being made, empty when nothing does."""
    if check.server and not scene.answers:
        return "not looked at: the Prefect server could not be asked"
    if check.ledger and scene.facts is None:
        return "not looked at: the ledger could not be read"
    absent = [kind for kind in check.needs if kind not in scene.blocks]
    named = ", ".join(f"{kind.get_block_type_slug()}/{scene.environment}" for kind in absent)
    return f"not looked at: no usable block {named}" if absent else ""


def silent(check: Check) -> Verdict:
    """Say that a check did not come back."""
    mend = "look at the network and at the load of what it asks, then run `bq-copilot doctor` again"
    return bad(check.name, f"no answer within {check.seconds:.0f} s", mend)


def hide(verdicts: Iterable[Verdict], secrets: Iterable[str]) -> list[Verdict]:
    """Return the verdicts without these texts, wherever an error of somebody else's put them."""
    known = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)
    return [replace(v, found=_without(v.found, known), mend=_without(v.mend, known)) for v in verdicts]


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
