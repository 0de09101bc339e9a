"""Stacks of the session that rest while no test needs them.

Decides: nothing; the hook in `conftest.py` says when. Why: an idle stack still polls, beats and sweeps, a tenth of a
core each, which the tests that follow would lack. A stack that is needed again comes up again with all that it had.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

RESTING: pytest.StashKey[list[Callable[[], object]]] = pytest.StashKey()
"""How each stack that this session has started is stopped."""


def may_rest(config: pytest.Config, stop: Callable[[], object]) -> None:
    """Remember how a stack is stopped."""
    config.stash.setdefault(RESTING, []).append(stop)


def rest(config: pytest.Config) -> None:
    """Stop them all; those that are down already stay down."""
    for stop in config.stash.get(RESTING, []):
        stop()
