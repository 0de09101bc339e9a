"""One full local stack for the whole session, started when the first test asks for it.

Decides: where it lives, what is kept between sessions (the sample tables), and that it ends with the session.
Everything is imported inside the fixtures: the unit tests must not pay for Prefect.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.warm.begin import look_seldom
from tests.resting import may_rest, rest

if TYPE_CHECKING:
    from bq_copilot.client import Copilot
    from tests.live import Live
    from tests.sample_data.frames import Frames

KEPT_HOME = "BQ_COPILOT_TEST_HOME"
"""Names a folder whose stack is used, and left running, by several sessions: for work on the tests themselves."""

STACKS = {
    "faults": "faults",
    "flows": "flows",
    "e2e": "flows",
    "chaos": "chaos",
    "stack": "stack",
    "scale_out": "hosts",
}
"""Folders whose tests start a stack, by the worker's group that runs them one after another."""

OWN_MODEL = ("OPENAI_API_KEY", "BQ_COPILOT_MODEL_BASE_URL", "BQ_COPILOT_MODEL")
"""Variables that would put another model behind the tests."""


look_seldom()  # what collecting the tests makes stays


def pytest_collection_finish() -> None:
    """From here on the collector leaves alone what was loaded."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that share a stack come first, the longest foremost: what begins late is waited for by an idle core."""
    order = list(dict.fromkeys(STACKS.values()))
    items.sort(key=lambda item: order.index(g) if (g := _group_of(item.nodeid)) in order else len(order))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests side by side: a file stays in one worker, and so do the folders that share a stack or kill its parts.

    A scheduler of our own, because the runner's marks for groups are lost with the node ids of pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group_of(nodeid)

    return Groups(config, log)


def _group_of(nodeid: str) -> str:
    file = Path(nodeid.partition("::")[0])
    return STACKS.get(file.parent.name, str(file))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """The last test of a group lets the stacks rest."""
    yield
    if nextitem is not None and _group_of(nextitem.nodeid) != _group_of(item.nodeid):
        rest(item.config)


@pytest.fixture(scope="session")
def seed_folder() -> Path:
    """All sample tables as Parquet: generated once per version of the generator, then kept in the cache."""
    from deployments.local.prepared import sample_tables

    return sample_tables()


@pytest.fixture(scope="session")
def session_stack(request: pytest.FixtureRequest) -> Iterator[Live]:
    """Server, worker, sandbox with all sample data, offline model, recovery; killed at the end."""
    from deployments.local import stack as local
    from deployments.local.home import HOME_VARIABLE, Home
    from tests.live import Live

    kept = os.environ.get(KEPT_HOME)
    folder = Path(kept or tempfile.mkdtemp(prefix="bqc-tests-"))
    home = Home(folder / "home")
    home.create()
    environ = {k: v for k, v in os.environ.items() if k not in OWN_MODEL and not k.startswith("BQ_COPILOT_STACK")}
    environ |= {HOME_VARIABLE: str(home.root)}
    environ.pop("BQ_COPILOT_PREFECT_FILE", None)
    try:
        local.up(home, environ)
        if not kept:
            may_rest(request.config, lambda: local.down(home, hard=True))
        yield Live(home, environ)
    finally:
        if not kept:
            local.down(home, hard=True)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stack(session_stack: Live) -> Iterator[Live]:
    """The session's stack, healthy again after whatever the last test did, and without armed faults."""
    session_stack.healthy()
    yield session_stack
    session_stack.healthy()
    session_stack.disarm()


@pytest.fixture
def copilot(stack: Live) -> Copilot:
    """The public API on the session's stack."""
    return stack.copilot


@pytest.fixture(scope="session")
def all_frames(seed_folder: Path) -> Frames:
    """The sample tables of the session's stack as pandas frames."""
    from tests.sample_data.frames import Frames

    return Frames(seed_folder)
