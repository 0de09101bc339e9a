"""Every entrypoint of prefect.yaml loads as a worker loads it; `prefect deploy` does not notice when one does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

from deployments.local.home import PROJECT_ROOT

LOAD = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
flows = [load_flow_from_entrypoint(e, use_placeholder_flow=False) for e in sys.argv[1:]]
print(json.dumps([[f.name, f.isasync, f.retries] for f in flows]))
print(json.dumps(sorted({"openai", "matplotlib"} & set(sys.modules))))
"""


def entrypoints() -> list[str]:
    """All entrypoints, as absolute paths."""
    entries = yaml.safe_load((PROJECT_ROOT / "prefect.yaml").read_text())["deployments"]
    return [str(PROJECT_ROOT / entry["entrypoint"]) for entry in entries]


def test_every_entrypoint_loads_from_another_directory(tmp_path: Path) -> None:
    """Each is an async flow without flow-level retries, in a process that was started elsewhere.

    What only some steps need is not loaded yet: a resumed run would wait for it.
    """
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path), "DO_NOT_TRACK": "1"}
    said = subprocess.run(
        [sys.executable, "-c", LOAD, *entrypoints()],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-2_000:]
    loaded, early = (json.loads(line) for line in said.stdout.splitlines()[-2:])
    assert len(loaded) == len(entrypoints())
    assert [flow for flow in loaded if flow[1:] != [True, 0]] == []
    assert early == []


def test_no_flow_file_is_named_after_a_library() -> None:
    """`flows/` is first on the path of a run: a file of a library's name would hide the library."""
    names = {path.stem for path in (PROJECT_ROOT / "flows").glob("*.py")} - {"__init__"}
    found = [name for name in names if name in sys.stdlib_module_names or _is_installed(name)]
    assert found == []


def _is_installed(name: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is not None)"
    return subprocess.run([sys.executable, "-I", "-c", code], check=False).returncode == 1
