"""`doctor`: what is wrong with this machine or this stack, and how to mend it.

Decides: which checks there are and in which order. Never does: mend anything. Why this shape: a check is a function
from the scene (home, record, live processes) to a verdict with a remedy; a check that itself fails is a verdict too,
so that one broken corner does not hide the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from deployments.local import checks_machine, checks_stack
from deployments.local.home import Home
from deployments.local.scene import Scene
from deployments.local.stack import status
from deployments.verdicts import Severity, Verdict

CHECKS: tuple[Callable[[Scene], Verdict], ...] = (
    checks_machine.versions,
    checks_machine.bytecode,
    checks_machine.state_folder,
    checks_machine.disk_space,
    checks_machine.ports,
    checks_machine.sandbox_environment,
    checks_machine.other_installation,
    checks_stack.supervisor,
    checks_stack.processes,
    checks_stack.strays,
    checks_stack.same_code,
    checks_stack.server,
    checks_stack.worker,
    checks_stack.warm_runner,
    checks_stack.deployments,
    checks_stack.warehouse,
    checks_stack.model,
    checks_stack.notifications,
    checks_stack.ledger,
    checks_stack.clock,
)


def doctor(home: Home | None = None, environ: Mapping[str, str] | None = None) -> list[Verdict]:
    """All verdicts, in the order of the checks; the stack does not have to run."""
    environ = os.environ if environ is None else environ
    home = home or Home.of(environ)
    scene = Scene(home, environ, status(home))
    return [_verdict(check, scene) for check in CHECKS]


def _verdict(check: Callable[[Scene], Verdict], scene: Scene) -> Verdict:
    try:
        return check(scene)
    except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, not the end of the visit
        name = check.__name__.replace("_", " ")
        found = f"the check itself failed: {type(error).__name__}: {error}"
        return Verdict(name, Severity.BAD, found, "report this with the line above")
