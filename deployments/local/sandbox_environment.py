"""The sandbox's own Python environment: made once from its lock file, found again by the lock's hash.

Decides where that environment lives and when it is complete. The sandbox needs packages that must not be in the main
environment, so it gets one of its own, in a cache folder named after its lock: a changed lock makes a new folder,
an unchanged one is found without the network. The folder's name also covers the source's path, because the package
is installed as a link to it. Another process that is making the environment is waited for, not raced.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent / "sandbox"
_COMPLETE = ".complete"


class SandboxEnvironmentError(RuntimeError):
    """The sandbox's environment could not be made; the message holds uv's own words and what to try."""


def cache_dir() -> Path:
    """`BQ_COPILOT_CACHE`, else `.cache` of a checkout, else the user's cache folder."""
    named = os.environ.get("BQ_COPILOT_CACHE")
    if named:
        return Path(named)
    root = PROJECT.parents[2]
    if (root / ".git").exists():
        return root / ".cache"
    return Path.home() / ".cache" / "bq-copilot"


def environment_dir() -> Path:
    """The folder of the environment that fits the lock file as it is now."""
    lock = hashlib.sha256((PROJECT / "uv.lock").read_bytes())
    lock.update(f"{sys.version_info.major}.{sys.version_info.minor} {PROJECT}".encode())
    return cache_dir() / f"sandbox-{lock.hexdigest()[:16]}"


def sandbox_python() -> Path:
    """The environment's interpreter, which runs `-m bq_sandbox`; makes the environment if it is not there."""
    home = environment_dir()
    python = home / "bin" / "python"
    if (home / _COMPLETE).exists() and python.exists():
        return python
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / _COMPLETE).exists():
            _make(home)
    return python


def sandbox_command(data_dir: Path, port: int, seed: Path | None = None) -> list[str]:
    """The command that serves a sandbox on 127.0.0.1; give it `sandbox_variables()` as environment."""
    command = [str(sandbox_python()), "-m", "bq_sandbox", "--data-dir", str(data_dir), "--port", str(port)]
    return [*command, "--seed", str(seed)] if seed is not None else command


def sandbox_variables() -> dict[str, str]:
    """This process's variables without those that would make its own packages visible to the sandbox."""
    return {k: v for k, v in os.environ.items() if k not in {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}}


def _make(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    command = [_uv(), "sync", "--frozen", "--quiet", "--compile-bytecode", "--project", str(PROJECT)]
    variables = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(home), "UV_PYTHON": sys.executable}
    variables.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxEnvironmentError(
            f"uv could not make the sandbox's environment in {home}: {done.stderr.strip()} "
            "(the first set-up needs a package index; later starts need no network)"
        )
    (home / _COMPLETE).touch()


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SandboxEnvironmentError(
            "uv was not found beside this interpreter nor on PATH; it comes with the main project"
        )
    return found
