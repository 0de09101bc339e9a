"""The stack that chaos plays in: its own home, a small seed, and the deployment that can be killed at a point.

Decides: where it lives and how big its tables are. Never does: kill; that is `faults`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deployments.local import stack
from deployments.local.files import exclusive
from deployments.local.home import HOME_VARIABLE, PROJECT_ROOT, Home
from deployments.local.prepared import is_seeded
from deployments.local.sample_data.files import write_shop
from deployments.local.sample_data.shop import draw_shop
from deployments.local.sandbox_environment import cache_dir
from tests.faults.killable_deployment import deploy_killable
from tests.live import Live

KILLABLE = "analyze/chaos"
SCALE = 0.05
OWN_MODEL = ("OPENAI_API_KEY", "BQ_COPILOT_MODEL_BASE_URL", "BQ_COPILOT_MODEL", "BQ_COPILOT_STACK_PARTS")


@contextmanager
def arena(folder: Path | None = None) -> Generator[Live]:
    """Yield a running stack of our own; it and its folder are gone afterwards, unless a folder was named."""
    root = folder or Path(tempfile.mkdtemp(prefix="bqc-chaos-"))
    home = Home(root / "home")
    home.create()
    if not home.seed.exists():
        home.seed.symlink_to(small_seed())
    environ = {k: v for k, v in os.environ.items() if k not in OWN_MODEL} | {HOME_VARIABLE: str(home.root)}
    live = Live(home, environ)
    try:
        stack.up(home, environ)
        deploy_killable(live, KILLABLE)
        yield live
    finally:
        stack.down(home, hard=True)
        if folder is None:
            shutil.rmtree(root, ignore_errors=True)


def small_seed() -> Path:
    """Return a folder with a twentieth of the sample tables, made once."""
    digest = hashlib.sha256()
    for path in sorted((PROJECT_ROOT / "deployments" / "local" / "sample_data").glob("*.py")):
        digest.update(path.read_bytes())
    kept = Home(cache_dir() / f"sample-small-{digest.hexdigest()[:12]}")
    kept.root.mkdir(parents=True, exist_ok=True)
    with exclusive(kept.root / "lock", 120):
        if not is_seeded(kept):
            kept.seed.mkdir(exist_ok=True)
            list(write_shop(draw_shop(seed=7, scale=SCALE), kept.seed))
            (kept.seed / ".complete").touch()
    return kept.seed
