"""PostgreSQL and two worker hosts, 100 runs asked, approved at once, answered: what is lost, how fast, at what cost.

It starts everything itself: a PostgreSQL, a Prefect server on it, the sandbox, the offline model, two hosts in
namespaces of their own. `--kill` kills one host in the middle and starts another one in its place. Waiting times are
differences of the ledger's own times; processor time is the kernel's, children included.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa

from bq_copilot import Copilot
from bq_copilot import events as ev
from bq_copilot.client import RunHandle
from bq_copilot.journal import begin
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.phases import TERMINAL, Phase
from deployments.local.plan import DATABASE_VARIABLE
from tests.scale_out.arena import Arena, arena, missing

QUESTIONS = ("What was our total revenue in 2025?", "Number of orders per country in May 2026")
REQUESTERS = 10
SECONDS = 300.0
APPENDING = 4.0
IDLE = 10.0


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale_out")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=8, help="runs in flight: how many people ask and approve")
    parser.add_argument("--kill", action="store_true", help="kill a host when half of the runs have been asked")
    options, _ = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is taken down
    if why := missing():
        print(why)
        return
    with arena() as made:
        print(f"load average at the start {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        warm_up = made.centre.ask(QUESTIONS[0]).approve().wait((), timeout=SECONDS)
        assert warm_up.phase is Phase.COMPLETED
        _throughput(made, options.runs, options.at_once, kill=options.kill)
        for processes in (1, 2, 8):
            print(f"appends/s, {processes} processes: {_appends(_ledger_url(made), processes):,.0f}", flush=True)


def _throughput(made: Arena, count: int, at_once: int, *, kill: bool) -> None:
    parts = _parts(made)
    idle = _idle(parts)
    before, sizes, began = {n: _cpu(p) for n, p in parts.items()}, _sizes(made), time.monotonic()
    killer = threading.Thread(target=_kill_in_the_middle, args=(made, count)) if kill else None
    if killer:
        killer.start()
    local = threading.local()
    people = ThreadPoolExecutor(at_once)
    try:
        ids = list(people.map(lambda n: _ask(made, local, n), range(count)))
    finally:
        people.shutdown(wait=False, cancel_futures=True)  # told to end, it does not wait for answers
    seconds = time.monotonic() - began
    if killer:
        killer.join()
    runs = [made.centre.copilot.run(i) for i in ids]
    _told(made, runs, seconds)
    if not kill:  # what a dead host used is no longer told
        _use(parts, before, idle, count, seconds)
    for line in _largest(made, count):
        print(line)
    for name, (commits, size) in _sizes(made).items():
        more = ((commits - sizes[name][0]) / count, (size - sizes[name][1]) / count / 1024)
        print(f"  {name:<12} {more[0]:7.0f} commits and {more[1]:.0f} KiB a run")


def _use(
    parts: dict[str, list[int]], before: dict[str, float], idle: dict[str, float], count: int, seconds: float
) -> None:
    for name, pids in parts.items():
        each = (_cpu(pids) - before[name] - idle[name] * seconds) / count
        print(f"  {name:<12} {each * 1000:7.0f} ms of a core a run, {idle[name] * 100:.1f} % of a core when idle")


def _idle(parts: dict[str, list[int]]) -> dict[str, float]:
    """Cores that each part uses while nobody asks."""
    before = {n: _cpu(p) for n, p in parts.items()}
    threading.Event().wait(IDLE)
    return {n: (_cpu(p) - before[n]) / IDLE for n, p in parts.items()}


def _ask(made: Arena, local: threading.local, number: int) -> str:
    if not hasattr(local, "copilot"):
        local.copilot = Copilot(installation=made.centre.copilot_of("default").installation)
    question = QUESTIONS[number % len(QUESTIONS)]
    run = local.copilot.ask(question, requester=f"person-{number % REQUESTERS}", timeout=SECONDS)
    if run.phase is Phase.AWAITING_APPROVAL:
        run.approve()
        run.wait((), timeout=SECONDS)
    return run.run_id


def _kill_in_the_middle(made: Arena, count: int) -> None:
    ledger = made.centre.copilot_of("default").installation.ledger
    while len(ledger.heads(phases=TERMINAL, limit=count)) < count // 2:
        threading.Event().wait(0.2)
    made.kill("host-a")
    print("host-a was killed; host-c takes its place", flush=True)
    made.start("host-c")


def _told(made: Arena, runs: Sequence[RunHandle], seconds: float) -> None:
    phases = [run.phase for run in runs]
    lost = sum(phase is not Phase.COMPLETED for phase in phases)
    jobs = [len(made.centre.jobs_of_plan(run)) for run in runs]
    whole = sum(run.receipts()["verified"] for run in runs)
    print(f"{len(runs)} runs in {seconds:.0f} s: {len(runs) * 60 / seconds:.0f} runs/minute; {lost} lost")
    print(f"jobs a run: {min(jobs)} to {max(jobs)}; receipts verified: {whole} of {len(runs)}")
    print(f"events a run: {statistics.mean(run.state.seq for run in runs):.1f}")
    for title, first, second in (
        ("ask -> prompt", "run_received", "approval_requested"),
        ("approval -> next", "approval_decided", "approval_consumed"),
        ("approval -> answer", "approval_decided", "run_ended"),
    ):
        print(f"{title:<19} {_spread([_between(run, first, second) for run in runs])}")


def _between(run: RunHandle, first: str, second: str) -> float:
    at = {u.kind: u.at for u in run.updates()}
    return (at[second] - at[first]).total_seconds() if {first, second} <= at.keys() else 0.0


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"median {statistics.median(ordered):.2f} s, p95 {ordered[int(len(ordered) * 0.95)]:.2f} s"


# -- what each part uses -------------------------------------------------------------------------------------


def _parts(made: Arena) -> dict[str, list[int]]:
    pids = made.centre.record.pids
    clients = {"this client": [os.getpid()]}
    hosts = {"hosts": [process.pid for process in made.hosts.values()]}
    return {"server": [pids["server"]], "sandbox": [pids["sandbox"]], "model": [pids["model"]], **hosts, **clients}


def _cpu(roots: Sequence[int]) -> float:
    """Seconds that these processes, their living descendants and their buried children have used."""
    stats = {int(p.parent.name): _fields(p) for p in Path("/proc").glob("[0-9]*/stat")}
    family, left = set[int](), list(roots)
    while left:
        pid = left.pop()
        family.add(pid)
        left += [child for child, fields in stats.items() if fields and int(fields[1]) == pid and pid != os.getpid()]
    ticks = sum(int(t) for pid in family for t in stats.get(pid, ())[11 : 13 if os.getpid() in roots else 15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(path: Path) -> list[str]:
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return []


def _sizes(made: Arena) -> dict[str, tuple[int, int]]:
    """Commits and bytes so far of each database."""
    query = "SELECT xact_commit, pg_database_size(datname) FROM pg_stat_database WHERE datname = current_database()"
    urls = {"ledger": _ledger_url(made), "prefect": made.centre.environ[DATABASE_VARIABLE]}
    return {name: _one(url.replace("+asyncpg", "+psycopg"), query) for name, url in urls.items()}


def _largest(made: Arena, count: int) -> list[str]:
    """The tables of the Prefect server that hold most, a run."""
    query = "SELECT relname, pg_total_relation_size(relid) / 1024 FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 5"
    engine = sa.create_engine(made.centre.environ[DATABASE_VARIABLE].replace("+asyncpg", "+psycopg"))
    with engine.connect() as c:
        rows = [tuple(r) for r in c.execute(sa.text(query))]
    engine.dispose()
    return [f"  prefect.{name}: {int(size) / count:.0f} KiB a run" for name, size in rows]


def _one(url: str, query: str) -> tuple[int, int]:
    engine = sa.create_engine(url)
    with engine.connect() as c:
        row = c.execute(sa.text(query)).one()
    engine.dispose()
    return int(row[0]), int(row[1])


# -- appends -------------------------------------------------------------------------------------------------


def _ledger_url(made: Arena) -> str:
    return made.centre.record.ledger_url


def _appends(url: str, processes: int) -> float:
    """Appends a second of so many processes, each to a run of its own, each commit synced."""
    context = mp.get_context("fork")
    start, queue = context.Barrier(processes), context.SimpleQueue()
    target: Callable[..., None] = _append
    children = [context.Process(target=target, args=(url, n, processes, start, queue)) for n in range(processes)]
    for child in children:
        child.start()
    total = sum(queue.get() for _ in children)
    for child in children:
        child.join()
    return total / APPENDING


def _append(url: str, number: int, of: int, start, queue) -> None:
    ledger = SqlLedger(url)
    first = ev.RunReceived(question="q", requester="ana", via="bench", request_key="k", code_version="0")
    journal, _ = begin(ledger, f"r-appends-{number}-of-{of}", first)
    start.wait(60)
    count, end = 0, time.monotonic() + APPENDING
    while time.monotonic() < end:
        journal.append(ev.Waited(what="PollJob", reason="x", attempt=1, until="2026-07-01T00:00:00Z"))
        count += 1
    ledger.close()
    queue.put(count)


if __name__ == "__main__":
    main()
