"""The project's shape: layers, small files, small functions, a core without engines."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deployments.local.home import PROJECT_ROOT

PRODUCT = ("bq_copilot", "blocks", "tasks", "flows", "deployments")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60

EDGES = ("bq_copilot.cli", "bq_copilot.migrations", "bq_copilot.gate.engines", "bq_copilot.testing")
EDGE_MODULES = {
    "client",
    "installation",
    "ledger_sql",
    "ledger_facts",
    "watchers_sql",
    "circuits_sql",
    "progress_sql",
    "spending_sql",
    "prefect_api",
    "migrating",
    "pruning_sql",
    "pruned_sql",
    "leases_sql",
    "waking",
    "charts",
}
"""Modules that may load a library beyond pydantic and sqlglot; everything else is the core."""

FOREIGN = ("prefect", "google", "openai", "httpx", "sqlalchemy", "pandas", "matplotlib")


def sources() -> Iterator[Path]:
    """Every Python file of the product."""
    for folder in PRODUCT:
        yield from (PROJECT_ROOT / folder).rglob("*.py")


def test_imports_run_strictly_down() -> None:
    """import-linter's contract holds."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    said = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-2_000:]


def test_the_core_needs_neither_engine_nor_cloud() -> None:
    """All core modules together import neither Prefect nor Google nor the model's client."""
    code = (
        f"import importlib, json, sys\nfor name in {core_modules()!r}: importlib.import_module(name)\n"
        f"print(json.dumps([n for n in {FOREIGN!r} if n in sys.modules]))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr[-2_000:]
    assert json.loads(said.stdout) == []


def core_modules() -> list[str]:
    """Dotted names of the core's modules."""
    found: list[str] = []
    for path in sorted((PROJECT_ROOT / "bq_copilot").rglob("*.py")):
        name = ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts).removesuffix(".__init__")
        edge = name.startswith(EDGES) or name.startswith("bq_copilot.cli_") or path.stem in EDGE_MODULES
        if not edge and path.stem != "__main__":
            found.append(name)
    return found


def test_no_file_is_long() -> None:
    """A module of more than 400 lines decides more than one thing."""
    lengths = {str(p.relative_to(PROJECT_ROOT)): len(p.read_text().splitlines()) for p in sources()}
    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_long() -> None:
    """A function of more than 60 lines does more than one thing."""
    found = [
        f"{path.relative_to(PROJECT_ROOT)}:{node.name} has {lines}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    """Each product module with code in it has a docstring."""
    bare = [str(p.relative_to(PROJECT_ROOT)) for p in sources() if p.read_text() and not ast.get_docstring(_tree(p))]
    assert bare == []


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_unit_tests_load_no_engine() -> None:
    """Collecting tests/unit imports no Prefect: that is what keeps them fast."""
    code = (
        "import pytest, sys; pytest.main(['tests/unit', '--collect-only', '-q']);"
        "sys.exit(bool({'prefect', 'google.cloud.bigquery', 'openai'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-1_000:]
