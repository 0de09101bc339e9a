"""How fast the gate is: first verdict in a fresh process, and statements a second through every layer once warm.

Run `python benchmarks/gate.py --schema SCHEMA.json --statements FILE.jsonl`. It prints figures and decides nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

FIRST = """
import json, sys, time
started = time.perf_counter()
from bq_copilot.catalog import Catalog
from bq_copilot.gate.engines import open_gate
from bq_copilot.policy import Policy
document = json.load(open(sys.argv[1]))
policy = Policy(allowed_datasets=tuple(document["allowed_datasets"]))
with open_gate(Catalog.from_document(document), policy) as gate:
    gate.rule(sys.argv[2])
    print(time.perf_counter() - started)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--schema", default="tests/gate_corpus/acme.json")
    parser.add_argument("--statements", default="tests/gate_corpus/safe.jsonl")
    parser.add_argument("--rounds", type=int, default=3)
    options, _ = parser.parse_known_args()
    texts = [json.loads(line)["sql"] for line in Path(options.statements).read_text().splitlines() if line.strip()]
    print(f"first verdict, fresh process: {first(options.schema, texts[0]):.2f} s")
    wall, cpu = warm(options.schema, texts, options.rounds)
    median = statistics.median(wall) * 1000
    print(f"warm, one core: {1 / statistics.mean(wall):.0f} statements/s by wall clock, median {median:.1f} ms")
    print(f"                {1 / cpu:.0f} statements/s by processor time")


def first(schema: str, sql: str) -> float:
    """Return seconds from start of a process to its first verdict, imports and child included."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", FIRST, schema, sql], check=True, capture_output=True)
    return time.perf_counter() - started


def warm(schema: str, texts: list[str], rounds: int) -> tuple[list[float], float]:
    """Return wall seconds of each statement, and processor seconds for one, with everything loaded."""
    from bq_copilot.catalog import Catalog  # noqa: PLC0415
    from bq_copilot.gate import Gate  # noqa: PLC0415
    from bq_copilot.gate.engines import second_engines  # noqa: PLC0415
    from bq_copilot.policy import Policy  # noqa: PLC0415

    document = json.loads(Path(schema).read_text())
    policy = Policy(allowed_datasets=tuple(document["allowed_datasets"]))
    gate = Gate(Catalog.from_document(document), policy, second_engines())
    gate.rule(texts[0])
    times: list[float] = []
    began = time.process_time()
    for text in texts * rounds:
        started = time.perf_counter()
        gate.rule(text)
        times.append(time.perf_counter() - started)
    return times, (time.process_time() - began) / len(times)


if __name__ == "__main__":
    main()
