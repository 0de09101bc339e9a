"""The sandbox's own environment: found without the network, changed with its lock."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployments.local import sandbox_environment


def test_second_look_up_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that is there is found without starting uv, so without a network."""
    python = sandbox_environment.sandbox_python()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert sandbox_environment.sandbox_python() == python


def test_another_lock_is_another_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A changed lock file names another folder, in the cache that the variable names."""
    monkeypatch.setenv("BQ_COPILOT_CACHE", str(tmp_path / "cache"))
    before = sandbox_environment.environment_dir()
    (tmp_path / "uv.lock").write_text("another lock", "utf-8")
    monkeypatch.setattr(sandbox_environment, "PROJECT", tmp_path)
    after = sandbox_environment.environment_dir()
    assert before.parent == after.parent == tmp_path / "cache"
    assert before != after
