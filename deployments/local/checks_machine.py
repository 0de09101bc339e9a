"""The checks of `doctor` that need no running stack: packages, disk, ports, environment.

Decides: one verdict each. Never does: change a file. Why this shape: these are the reasons for which `up` cannot
succeed, so they are asked before anything about processes.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from importlib.metadata import version
from pathlib import Path

from deployments.local.home import HOME_VARIABLE
from deployments.local.ports import is_free, kept_ports
from deployments.local.sandbox_environment import environment_dir
from deployments.local.scene import Scene
from deployments.verdicts import Verdict, bad, good, skipped, warning

_LEAST_FREE_BYTES = 1_000_000_000
_FASTAPI_LIMIT = (0, 151)
_PREFECT_SERIES = (3, 8)


def _numbers(package: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version(package).split(".")[:2])


def versions(_scene: Scene) -> Verdict:
    """The packages of this environment."""
    return package_versions()


def package_versions() -> Verdict:
    """Prefect 3.8 and a FastAPI that its server can live with."""
    found = f"prefect {version('prefect')}, fastapi {version('fastapi')}"
    if _numbers("prefect") != _PREFECT_SERIES:
        return bad("versions", found, "this release needs prefect 3.8.x: run `uv sync --frozen`")
    if _numbers("fastapi") >= _FASTAPI_LIMIT:
        return bad("versions", found, "the Prefect server breaks with fastapi 0.151 and later: `uv sync --frozen`")
    return good("versions", found)


def bytecode(_scene: Scene) -> Verdict:
    """Whether Prefect's modules are compiled; without it every process needs twice the time to start."""
    spec = importlib.util.find_spec("prefect")
    compiled = spec is not None and spec.cached is not None and Path(spec.cached).exists()
    if compiled:
        return good("bytecode", "packages are compiled")
    folder = Path(spec.origin).parents[1] if spec and spec.origin else Path()
    mend = f"python -m compileall -q -j 0 {folder}"
    return warning("bytecode", "packages are not compiled; starting takes twice as long", mend)


def state_folder(scene: Scene) -> Verdict:
    """Whether the state folder can be written."""
    folder = scene.home.root
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return bad("state folder", f"{nearest} is not writable", f"set {HOME_VARIABLE} to a folder of yours")
    return good("state folder", f"{folder} is writable")


def disk_space(scene: Scene) -> Verdict:
    """At least one gigabyte where the ledger, the results and the sample data go."""
    folder = scene.home.root
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / 1e9:.1f} GB free below {nearest}"
    if free < _LEAST_FREE_BYTES:
        return bad("disk space", found, "free at least 1 GB; a full disk stops the ledger")
    return good("disk space", found)


def ports(scene: Scene) -> Verdict:
    """While the stack is down, nobody else may sit on its ports."""
    kept = kept_ports(scene.home)
    if not kept:
        return skipped("ports", "none chosen yet; `up` chooses free ones")
    found = ", ".join(f"{name} {port}" for name, port in kept.items())
    if scene.status.running:
        return good("ports", found)
    taken = [f"{name} {port}" for name, port in kept.items() if not is_free(port)]
    if taken:
        mend = "`up` will choose others; blocks and bookmarks follow, or stop the process that took them"
        return warning("ports", f"taken by another process: {', '.join(taken)}", mend)
    return good("ports", found)


def sandbox_environment(_scene: Scene) -> Verdict:
    """Whether the sandbox warehouse's own environment is built."""
    folder = environment_dir()
    if not (folder / "bin" / "python").exists():
        mend = "`python -m deployments.local.prepared` builds it; `up` does so too, and waits for it"
        return warning("sandbox environment", f"not built yet: {folder}", mend)
    return good("sandbox environment", str(folder))


def other_installation(scene: Scene) -> Verdict:
    """Whether this shell points to another Prefect installation than the local stack."""
    named = scene.environ.get("PREFECT_API_URL")
    record = scene.status.record
    if named and record and named.rstrip("/") != record.prefect_api_url:
        mend = "unset PREFECT_API_URL to use the local stack"
        return warning("environment", f"PREFECT_API_URL is {named}; commands go there", mend)
    return good("environment", f"commands go to {named or 'the local stack'}")
