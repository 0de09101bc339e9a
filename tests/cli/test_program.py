"""The program as a process: starts lightly, fails in sentences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import recorded_runs as rr

ROOT = Path(__file__).parents[2]


def python(code: str, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, on this installation."""
    environ = {**os.environ, "BQ_COPILOT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, env=environ, timeout=60, check=False
    )


HEAVY = ("prefect", "sqlalchemy", "sqlglot", "pandas", "matplotlib", "httpx", "google.cloud", "openai", "pyarrow")


@pytest.mark.parametrize("verb", ["show", "runs", "pending", "trace"])
def test_looking_loads_nothing_heavy(home: Path, verb: str) -> None:
    """A verb that only looks starts without Prefect, SQLAlchemy, a SQL parser, pandas or an HTTP client."""
    run = rr.waiting_for_approval(home)
    argv = [verb, *([run.run_id] if verb in {"show", "trace"} else [])]
    code = f"""
import sys
from bq_copilot.cli.app import run
assert run({argv!r}) == 0
print("LOADED", [m for m in {HEAVY!r} if m in sys.modules])
"""
    done = python(code, home)
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stdout[-500:] + done.stderr


def test_the_program_is_there(home: Path) -> None:
    """`python -m bq_copilot.cli --version` prints the version and exits 0."""
    from bq_copilot import __version__

    done = subprocess.run(
        [sys.executable, "-m", "bq_copilot.cli", "--version"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"bq-copilot {__version__}\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_fault_of_our_own_is_one_sentence_and_no_traceback(home: Path, as_json: bool) -> None:
    """Even a bug ends with a sentence, a next step and exit code 4."""
    code = """
import sys
from bq_copilot.cli import app, main
def broken(json: bool = False) -> None:
    raise ZeroDivisionError("oops \\x1b[31m")
app.OWN["runs"] = broken
main(sys.argv[1:])
"""
    done = python(code, home, "runs", *(["--json"] if as_json else []))
    text = done.stdout if as_json else done.stderr
    assert done.returncode == 4
    assert "Traceback" not in done.stdout + done.stderr and "\x1b" not in done.stdout + done.stderr
    assert "bq-copilot itself failed: ZeroDivisionError" in text


def test_a_reader_that_goes_away_is_no_fault(home: Path) -> None:
    """`bq-copilot runs | head` style pipes that close early end quietly."""
    rr.finished(home)
    code = "from bq_copilot.cli import main; main(['runs', '--json'])"
    environ = {**os.environ, "BQ_COPILOT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert "Traceback" not in said and "BrokenPipe" not in said
