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
from bq_copilot.receipts import GENESIS, seal
from deployments.local.home import Home
from deployments.local.liveness import members
from deployments.local.records import read_record
from deployments.local.waiting import wait_until
from deployments.recovery import TICK, Recovery

COUNT = int(os.environ.get("BQ_COPILOT_BENCH_WAITING", "1000"))
QUESTION = "What was our total revenue in 2025?"
SECONDS = 30.0
PAGE = 4_096
PARTS = ("server", "worker", "recovery")


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
    with httpx.Client(base_url=at.api_url, timeout=60) as prefect, engine.begin() as c:
        deployment = prefect.get("/deployments/name/analyze/analyze").json()["id"]
        for number in range(count):
            name = run_id("bench", f"{real.run_id} {number}")
            flow_run = _suspended(prefect, deployment, name)
            c.execute(sa.text(_insert(head)), {**head, "run_id": name, "flow_run_id": flow_run})
            _insert_rows(c, name, at.reader.rows(real.run_id))
    engine.dispose()


def _suspended(prefect: httpx.Client, deployment: str, name: str) -> str:
    state = {"type": "PAUSED", "name": "Suspended", "state_details": {"pause_reschedule": True}}
    body = {"name": name, "idempotency_key": name, "parameters": {"question": name}, "state": {"type": "SCHEDULED"}}
    later = {"state_details": {"scheduled_time": "2100-01-01T00:00:00Z"}}
    body["state"] = {"type": "SCHEDULED", **later}
    flow_run = prefect.post(f"/deployments/{deployment}/create_flow_run", json=body).raise_for_status().json()["id"]
    prefect.post(f"/flow_runs/{flow_run}/set_state", json={"state": state, "force": True}).raise_for_status()
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
    pids = {name: record.pids[name] for name in PARTS}
    before = {name: _cpu(pid) for name, pid in pids.items()}
    requests = _requests(copilot, SECONDS)
    cpu = {name: (_cpu(pid) - before[name]) / SECONDS * 100 for name, pid in pids.items()}
    flows = sum(b"PREFECT__FLOW_RUN_ID=" in _environ(pid) for pid in members(home.stack_id))
    print(f"{title}: {flows} flow processes, {requests * 60 / SECONDS:.0f} requests a minute by one recovery service")
    for name, pid in pids.items():
        print(f"  {name:<9} {_rss(pid) / 2**20:6.0f} MB   {cpu[name]:5.1f} % of a core")


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


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    main()
