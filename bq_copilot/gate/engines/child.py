"""The child process of the guard: one gate over one catalog and policy, one JSON line in, one JSON line out.

Decides nothing; it is the pure gate with its engines, put where it can be killed. The parent is its only client and
the end of the input is its end. It limits its own memory before it does anything with what it reads: so much on top
of what it starts with, because a child that was forked from a warm interpreter starts with more than a new one.
"""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any, TextIO

from pydantic import TypeAdapter

from bq_copilot.catalog import Catalog
from bq_copilot.gate.engines import second_engines
from bq_copilot.gate.gate import Gate
from bq_copilot.gate.verdict import Parameter
from bq_copilot.policy import Policy

PARAMETERS = TypeAdapter(tuple[Parameter, ...])
WARM_UP = "SELECT 1 AS one"


def main() -> None:
    """Serve one parent until its end of the pipe closes."""
    with os.fdopen(os.dup(0), encoding="utf-8") as requests, os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)
        _serve(requests, replies)


def _serve(requests: TextIO, replies: TextIO) -> None:
    opening = json.loads(requests.readline())
    limit = _data_bytes() + int(opening["bytes"])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    gate = Gate(Catalog.model_validate(opening["catalog"]), Policy.model_validate(opening["policy"]), second_engines())
    gate.rule(WARM_UP)
    _reply(replies, {"pid": os.getpid()})
    for line in requests:
        request: dict[str, Any] = json.loads(line)
        verdict = gate.rule(request["sql"], PARAMETERS.validate_python(request["parameters"]))
        _reply(replies, verdict.model_dump(mode="json"))


def _data_bytes() -> int:
    """Return how much data this process has; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _reply(replies: TextIO, value: object) -> None:
    replies.write(json.dumps(value) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
