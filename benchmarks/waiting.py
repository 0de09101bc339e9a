"""What a thousand runs that wait for a person cost: processes, memory, requests, time to list them.

One run is real: asked on the running local stack, suspended at its approval request. The others are copies of it,
each with a chain of its own in the ledger and a suspended flow run of its own in Prefect, made in a minute instead
of an hour. They are cancelled in Prefect and expire in the ledger afterwards; use a stack that may be thrown away.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from bq_copilot import Copilot
from bq_copilot.client import RunHandle
from bq_copilot.identity import run_id
from bq_copilot.prefect_api import PrefectApi
from bq_copilot.receipts import GENESIS, seal
from deployments.local.home import Home
from deployments.local.liveness import members
from deployments.local.records import read_record
from deployments.local.waiting import wait_until
from deployments.recovery import TICK, Recovery

COUNT = int(os.environ.get("BQ_COPILOT_BENCH_WAITING", "1000"))
QUESTION = "What was our total revenue in 2025?"
SECONDS = 30.0


def main() -> None:
    """Print the figures with one waiting run and with all of them."""
    copilot = Copilot()
    real = copilot.ask(QUESTION, timeout=300)
    wait_until(lambda: copilot.installation.ledger.lease_of(real.run_id) is None, 120)
    _report(copilot, "1 run waits")
    began = time.perf_counter()
    _copy(copilot, real, COUNT - 1)
    print(f"{COUNT - 1} copies made in {time.perf_counter() - began:.0f} s")
    _report(copilot, f"{COUNT} runs wait")
    for name, look in (
        ("runs", lambda: copilot.runs(phases=["awaiting_approval"], limit=COUNT)),
        ("pending, the newest 100", copilot.pending),
        ("pending, all", lambda: copilot.pending(limit=COUNT)),
    ):
        began = time.perf_counter()
        found = look()
        print(f"list {name}: {len(found)} in {(time.perf_counter() - began) * 1000:.0f} ms")
    began = time.perf_counter()
    real.approve()
    real.wait(lambda state: bool(state.plan and state.plan.consumed), timeout=60)
    print(f"approval of one of them -> its next step: {time.perf_counter() - began:.2f} s")


def _copy(copilot: Copilot, real: RunHandle, count: int) -> None:
    at = copilot.installation
    engine = sa.create_engine(at.ledger_url)
    with engine.connect() as c:
        head = dict(c.execute(sa.text("SELECT * FROM heads WHERE run_id = :r"), {"r": real.run_id}).mappings().one())
    found = at.api.flow_run_of(real.run_id)
    assert found is not None
    deployment = at.api._must("GET", "/deployments/name/analyze/analyze")["id"]
    names = [run_id("bench", f"{real.run_id} {number}") for number in range(count)]
    flow_runs = {name: _suspended(at.api, deployment, name) for name in names}
    with engine.begin() as c:
        for name, flow_run in flow_runs.items():
            c.execute(sa.text(_insert(head)), {**head, "run_id": name, "flow_run_id": flow_run})
            _insert_rows(c, name, at.reader.rows(real.run_id))
    engine.dispose()


def _suspended(api: PrefectApi, deployment: str, name: str) -> str:
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2100-01-01T00:00:00Z"}}
    body = {"name": name, "idempotency_key": name, "parameters": {"question": name}, "state": later}
    flow_run = api._must("POST", f"/deployments/{deployment}/create_flow_run", body)["id"]
    state = {"type": "PAUSED", "name": "Suspended", "state_details": {"pause_reschedule": True}}
    api._must("POST", f"/flow_runs/{flow_run}/set_state", {"state": state, "force": True})
    return flow_run


def _insert(head: dict[str, Any]) -> str:
    return f"INSERT INTO heads ({', '.join(head)}) VALUES ({', '.join(':' + k for k in head)})"


def _insert_rows(c: sa.Connection, name: str, rows: list[Any]) -> None:
    last = GENESIS
    insert = sa.text("INSERT INTO events VALUES (:run_id, :seq, :kind, :body, :at, :prev_hash, :hash)")
    for old in rows:
        row = seal(name, old.seq, old.kind, old.body, old.at, last)
        last = row.hash
        c.execute(insert, {k: getattr(row, k) for k in ("run_id", "seq", "kind", "body", "at", "prev_hash", "hash")})


def _report(copilot: Copilot, title: str) -> None:
    home = Home.of(os.environ)
    record = read_record(home)
    assert record is not None
    server = [record.pids["server"]]
    rest = [pid for pid in members(home.stack_id) if pid not in server]
    before = _cpu([*server, *rest])
    requests = _requests(copilot, SECONDS) * 60 / SECONDS
    flows = sum(b"PREFECT__FLOW_RUN_ID=" in _file(pid, "environ") for pid in rest)
    print(f"{title}: {flows} flow processes, {requests:.0f} requests a minute by one recovery service")
    after = _cpu([*server, *rest])
    for name, pids in (("server", server), ("all other processes", rest)):
        share = sum(after[pid] - before[pid] for pid in pids if pid in after and pid in before) / SECONDS * 100
        print(f"  {name:<20} {_memory(pids) / 1024:6.0f} MB   {share:5.1f} % of a core")


def _requests(copilot: Copilot, seconds: float) -> int:
    """Count what one more recovery service would ask the server, looking as often as the real one."""
    api, count, recovery = copilot.installation.api, 0, Recovery(copilot.installation)
    once = api._client.request

    def counted(*arguments: Any, **more: Any) -> httpx.Response:
        nonlocal count
        count += 1
        return once(*arguments, **more)

    api._client.request = counted  # type: ignore[method-assign]
    end = time.monotonic() + seconds

    def over() -> bool:
        recovery.tick()
        return time.monotonic() > end

    wait_until(over, seconds + 10, every=TICK)
    api._client.request = once  # type: ignore[method-assign]
    return count


def _memory(pids: list[int]) -> float:
    """Return KiB in use, with pages that processes share counted once."""
    lines = [line for pid in pids for line in _file(pid, "smaps_rollup").decode().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu(pids: list[int]) -> dict[int, float]:
    """Return the seconds that each process has used."""
    found = {pid: _file(pid, "stat").decode().rpartition(")")[2].split() for pid in pids}
    tick = os.sysconf("SC_CLK_TCK")
    return {pid: (int(fields[11]) + int(fields[12])) / tick for pid, fields in found.items() if fields}


def _file(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


if __name__ == "__main__":
    main()
