"""The checks of what provisioning makes: deployments, follow-ups, limits, block types, the automation.

Decides: whether the server holds what this code needs, in this code's form. Never does: provision; it says when to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blocks.registry import BLOCK_TYPES
from bq_copilot.scheduling import TAG, TEMPLATE
from deployments.automations import NOBODY_WORKS
from deployments.production.pool import PROVISION
from deployments.production.scene import Scene
from deployments.specification import LIMITS, DeploymentSpec, LimitSpec, load_deployment, prefect_file, read_entries
from deployments.verdicts import Verdict, bad, good, warning

Json = Mapping[str, Any]


def look_deployments(scene: Scene) -> Iterable[Verdict]:
    """Each deployment of prefect.yaml beside the one on the server, and the series made from one of them."""
    path = prefect_file(scene.environ)
    for entry in read_entries(path):
        spec = load_deployment(entry, path.parent)
        present = scene.api.deployment(spec.full_name)
        yield deployment(present, spec)
        if spec.full_name == TEMPLATE and present is not None:
            tagged = {"deployments": {"tags": {"all_": [TAG]}}, "limit": 200}
            yield series(scene.api.look("/deployments/filter", tagged) or (), present)


def look_limits(scene: Scene) -> Iterable[Verdict]:
    """The limits that all runs share."""
    found = {limit.name: scene.api.look(f"/v2/concurrency_limits/{limit.name}") for limit in LIMITS}
    yield limits(found, LIMITS)


def look_types(scene: Scene) -> Iterable[Verdict]:
    """The block types, in this version's form."""
    forms = {kind.get_block_type_slug(): str(kind._calculate_schema_checksum()) for kind in BLOCK_TYPES}
    known = {slug for slug, form in forms.items() if scene.api.look(f"/block_schemas/checksum/{form}") is not None}
    yield types(forms.keys(), known)


def look_automation(scene: Scene) -> Iterable[Verdict]:
    """The one automation of ours."""
    query = {"automations": {"name": {"any_": [NOBODY_WORKS]}}}
    yield automation(scene.api.look("/automations/filter", query) or ())


def deployment(present: Json | None, spec: DeploymentSpec) -> Verdict:
    """Judge one deployment."""
    name, entry = spec.full_name, spec.entry
    if present is None:
        return bad("deployments", f"{name} is missing: nothing can start it", PROVISION)
    if present.get("work_pool_name") != entry.work_pool.name:
        other = present.get("work_pool_name") or "no work pool"
        return bad("deployments", f"{name} goes to {other}, not to {entry.work_pool.name}", PROVISION)
    code = {"entrypoint": entry.entrypoint, "parameter_openapi_schema": spec.parameter_schema}
    if any(present.get(key) != value for key, value in code.items()):
        return bad("deployments", f"{name} is of other code than this: its entry or its parameters differ", PROVISION)
    if present.get("version") != spec.version:
        mend = f"{PROVISION}   # with the code that the worker hosts run"
        return warning(
            "deployments", f"{name} says version {present.get('version')}, this code is {spec.version}", mend
        )
    return good("deployments", f"{name}, version {spec.version}{_folder(present)}")


def _folder(present: Json) -> str:
    """Say where its runs find the code."""
    steps = [step for one in present.get("pull_steps") or () for step in one.values() if isinstance(step, Mapping)]
    folders = [str(step["directory"]) for step in steps if "directory" in step]
    return f", in {folders[-1]}" if folders else ""


def series(found: Sequence[Json], like: Json) -> Verdict:
    """Judge the deployments of accepted follow-ups: they must run the code of the one they were made like."""
    place = ("entrypoint", "pull_steps", "version")
    stale = sorted(str(one["name"]) for one in found if any(one.get(key) != like.get(key) for key in place))
    if stale:
        return warning("follow-ups", f"{len(stale)} of {len(found)} run other code, e.g. {stale[0]}", PROVISION)
    return good("follow-ups", f"{len(found)} scheduled series" if found else "none is scheduled")


def limits(found: Mapping[str, Json | None], wanted: Sequence[LimitSpec]) -> Verdict:
    """Judge the shared limits; how high they are is the operator's business."""
    absent = [limit.name for limit in wanted if found.get(limit.name) is None]
    if absent:
        return warning("limits", f"missing, so nothing limits it: {', '.join(absent)}", PROVISION)
    there = {name: one for name, one in found.items() if one is not None}
    shut = [name for name, one in there.items() if one.get("active", True) and one["limit"] <= 0]
    if shut:
        return bad("limits", f"{', '.join(shut)} is 0: every run waits", f"prefect gcl update {shut[0]} --limit 20")
    off = [name for name, one in there.items() if not one.get("active", True)]
    if off:
        return warning("limits", f"switched off: {', '.join(off)}", f"prefect gcl enable {off[0]}")
    used = (f"{name} {one['limit']} ({one.get('active_slots') or 0} taken)" for name, one in there.items())
    return good("limits", ", ".join(used))


def types(wanted: Iterable[str], known: Iterable[str]) -> Verdict:
    """Judge the block types' forms."""
    there = set(known)
    absent = [slug for slug in wanted if slug not in there]
    if absent:
        return warning("block types", f"not there in this version's form: {', '.join(absent)}", PROVISION)
    return good("block types", f"{len(there)} in this version's form")


def automation(found: Sequence[Json]) -> Verdict:
    """Judge the automation that tells when no worker is left; it needs somebody to tell."""
    if not found:
        mend = f"make a notification block called bq-copilot, then {PROVISION}"
        return warning("automation", f"nobody is told when the last worker goes: no “{NOBODY_WORKS}”", mend)
    if not any(one.get("enabled") for one in found):
        mend = f"prefect automation resume '{NOBODY_WORKS}'"
        return warning("automation", f"“{NOBODY_WORKS}” is switched off", mend)
    return good("automation", f"“{NOBODY_WORKS}” is on")
