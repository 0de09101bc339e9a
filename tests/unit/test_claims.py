"""What a worker has in hand is told from what it left behind when it died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.claims import Claims
from tasks.lease import holder
from tests.waiting import until

FLOW_RUN = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    """The claims of a host on which nothing was taken yet."""
    return Claims(tmp_path / "claims")


def left_by_a_dead_worker(claims: Claims, tmp_path: Path) -> Path:
    """A claim whose worker is gone, as after a SIGKILL."""
    with claims.held(FLOW_RUN):
        path = tmp_path / "claims" / FLOW_RUN
        host, _, _ = path.read_text().partition(":")
    path.write_text(f"{host}:999999999:1")
    return path


def test_what_a_living_worker_has_in_hand_is_not_lost(claims: Claims) -> None:
    """While it is in hand, and when it is in a process's hands."""
    assert not claims.is_lost(FLOW_RUN, "PENDING")
    with claims.held(FLOW_RUN):
        assert not claims.is_lost(FLOW_RUN, "PENDING")
    assert not claims.is_lost(FLOW_RUN, "PENDING")


def test_a_claim_is_given_back_when_the_start_fails(claims: Claims, tmp_path: Path) -> None:
    """Whatever goes wrong in the worker, no claim stays."""
    with pytest.raises(RuntimeError), claims.held(FLOW_RUN):
        raise RuntimeError
    assert list((tmp_path / "claims").iterdir()) == []


def test_what_a_dead_worker_had_in_hand_is_lost(claims: Claims, tmp_path: Path) -> None:
    """Only while Prefect calls it Pending; then its claim is forgotten, because the next worker may be elsewhere."""
    path = left_by_a_dead_worker(claims, tmp_path)
    assert claims.is_lost(FLOW_RUN, "PENDING")
    assert not claims.is_lost(FLOW_RUN, "RUNNING")
    assert not path.exists()
    assert not claims.is_lost(FLOW_RUN, "PENDING")


def test_what_has_its_process_already_is_not_lost(claims: Claims, tmp_path: Path) -> None:
    """The worker died after it had started the process and before it could say so."""
    left_by_a_dead_worker(claims, tmp_path)
    environ = {**os.environ, "PREFECT__FLOW_RUN_ID": FLOW_RUN}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environ) as process:
        until(lambda: not claims.is_lost(FLOW_RUN, "PENDING"), 10)
        process.communicate(b"\n")
    assert claims.is_lost(FLOW_RUN, "PENDING")


def test_another_hosts_claim_proves_nothing(claims: Claims, tmp_path: Path) -> None:
    """Its process cannot be seen from here."""
    path = left_by_a_dead_worker(claims, tmp_path)
    path.write_text("elsewhere" + holder())
    assert not claims.is_lost(FLOW_RUN, "PENDING")


def test_without_room_for_a_claim_the_run_is_taken_all_the_same(tmp_path: Path) -> None:
    """A claim saves time; its absence costs nothing else."""
    (tmp_path / "file").touch()
    claims = Claims(tmp_path / "file")
    with claims.held(FLOW_RUN):
        assert not claims.is_lost(FLOW_RUN, "PENDING")
