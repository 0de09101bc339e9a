"""The child process of the guard: one gate over one catalog and policy, one JSON line in, one JSON line out.

Decides nothing; it is the pure gate with its engines, put where it can be killed. The parent is its only client and
the end of the input is its end. It limits its own memory before it reads anything.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

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
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    opening = json.loads(sys.stdin.readline())
    gate = Gate(Catalog.model_validate(opening["catalog"]), Policy.model_validate(opening["policy"]), second_engines())
    gate.rule(WARM_UP)
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        verdict = gate.rule(request["sql"], PARAMETERS.validate_python(request["parameters"]))
        _reply(replies, verdict.model_dump(mode="json"))


def _reply(replies: Any, value: object) -> None:
    replies.write(json.dumps(value) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
