"""README.md and docs/ followed from top to bottom: every command that they show is run, or stands in one table.

On the stack of the session, in this process unless the command stays with a run or serves a page: starting Python
costs more than most commands. A command that is neither run nor in the table fails, and so does one that ends otherwise
than its document says.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.main import get_command

from bq_copilot.cli.app import build, run
from bq_copilot.phases import Phase
from deployments.local.home import HOME_VARIABLE, PROJECT_ROOT
from tests.documents import (
    DOCUMENTS,
    SET,
    Command,
    commands_of,
    shows,
)
from tests.flows.operator import Operator, verb_of
from tests.live import PATIENCE, RECOVERY, Live
from tests.waiting import until

NOT_HERE = {
    "make demo": (
        "starts a stack of its own, in the checkout",
        "stack/test_up_and_down.py::test_two_ups_at_once_are_one_stack",
    ),
    "make test": ("is what runs this", "project/test_documents.py::test_every_make_target_in_the_documents_exists"),
    "bq-copilot down": (
        "ends the stack of the other tests",
        "stack/test_up_and_down.py::test_down_leaves_nothing_behind",
    ),
    "python -m benchmarks retrieval --corpora FOLDER": (
        "the corpora are not shipped",
        "retrieval/test_retrieval.py::test_the_benchmark_skips_with_a_reason_without_its_corpora",
    ),
    "python -m deployments.host": (
        "runs until it is stopped, as a host of its own",
        "scale_out/test_two_hosts.py::test_F03_a_host_dies_and_the_other_one_finishes_its_run",
    ),
    "python -m deployments.recovery": (
        "runs until it is stopped; the stack has it",
        "faults/test_processes.py::test_F01_killed_between_two_steps_goes_on_where_it_stopped",
    ),
    "bq-copilot init-gcp --project acme --location EU --dataset shop --check": (
        "asks Google's APIs, with credentials",
        "warehouse/test_init_gcp.py::test_check_only_reads",
    ),
    ".venv/bin/python -m pytest tests/real_bigquery -v": (
        "asks a real project, with credentials",
        "real_bigquery/test_real_project.py::test_same_job_id_twice_runs_once_and_is_adopted",
    ),
    "docker build": (
        "needs Docker and the network",
        "pools/test_templates.py::test_what_the_image_copies_is_there_and_what_it_starts_can_be_imported",
    ),
    "docker run": (
        "needs Docker and the network",
        "pools/test_templates.py::test_what_the_image_copies_is_there_and_what_it_starts_can_be_imported",
    ),
    "prefect worker start --pool bq-copilot": (
        "runs until it is stopped; the stack has one",
        "stack/test_nudge.py::test_the_worker_type_is_prefects_own",
    ),
}
"""Commands that are not run here, by how they begin: why not, and which test shows what they do."""

ENDS_WITH = {"policy explain": 3}
"""Exit codes other than 0 that the text around a command says."""

AS_WELL = {
    "python -m deployments.local.sample_data": ("--scale", "0.01"),
    "bq-copilot eval sample": ("--most-seconds", "0.000000001"),
}
"""What is added to a command, so that it does not take a minute; the document has the option too."""

STAYS = ("view",)
"""Verbs that go on until Ctrl-C."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def operator(session_stack: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Somebody in an empty folder, with nothing but the stack's home in the environment."""
    session_stack.healthy()
    found = Operator(session_stack, tmp_path_factory.mktemp("operator"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("PREFECT_", "BQ_COPILOT_", "OPENAI_"))]:
            patch.delenv(name)
        patch.setenv(HOME_VARIABLE, str(session_stack.home.root))
        patch.setenv("PYTHONPATH", str(PROJECT_ROOT))
        patch.setenv("COLUMNS", "160")
        patch.chdir(found.folder)
        found.lay_out()
        try:
            yield found
        finally:
            found.leave()


def excused(command: Command) -> bool:
    """True when the table has it."""
    return any(command.name.startswith(begin) for begin in NOT_HERE)


def to_follow(path: Path) -> list[Command]:
    """What of the document is run here: all that was typed, and of each form what nobody typed anywhere."""
    everything = [c for p in DOCUMENTS for c in commands_of(p)]
    typed = [c for c in everything if not c.is_form]
    first = {c.words: c for c in reversed(everything)}
    found = [c for c in commands_of(path) if not excused(c)]
    return [c for c in found if not c.is_form or (first[c.words] == c and not any(shows(t, c) for t in typed))]


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if to_follow(p)], ids=lambda p: p.stem)
def test_a_document_is_followed(path: Path, operator: Operator) -> None:
    """Each of its commands, in its order, ends as the document says."""
    for command in to_follow(path):
        began = time.monotonic()
        words = [*operator.bound(command), *AS_WELL.get(command.name.removesuffix(" OUT_DIR"), ())]
        expected = code_of(command)
        ready = time.monotonic()
        done = typed(command, words, operator)
        print(f"{ready - began:5.1f} s + {time.monotonic() - ready:5.1f} s  {command.text}")
        told = f"{command.where}: $ {command.text}\n  as {words}\n  exit {done.code}, not {expected}\n"
        assert done.code == expected, f"{told}{done.out[-1500:]}\n{done.err[-1500:]}"
        operator.heard(command, done.out)


def code_of(command: Command) -> int:
    """The exit code that the document promises."""
    if command.words[1:3] == ("followups", "show") and "--chart" in command.words:
        return 2  # "once it has run": this series has not, and nothing is drawn
    return ENDS_WITH.get(" ".join(command.words[1:3]), 0)


def typed(command: Command, words: list[str], operator: Operator) -> Done:
    """Run it in this process unless it stays; `>` writes a file."""
    if ">" in words:
        words, target = words[: words.index(">")], words[words.index(">") + 1]
        done = typed(command, words, operator)
        Path(target).write_text(done.out, "utf-8")
        return done
    if words[0] != "bq-copilot":
        return elsewhere(words, operator)
    verb = verb_of(command)
    if verb in STAYS:
        return looked_at(words)
    if verb == "ask" and "--detach" not in words:
        return stayed_with(words, operator)
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "stdin", io.StringIO("y\n"))
        code = run(words[1:])
    return Done(code, out.getvalue(), err.getvalue())


def started(words: list[str]) -> subprocess.Popen[str]:
    """The program as a process, without a terminal."""
    command = [sys.executable, "-m", "bq_copilot.cli", *words[1:]]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def stayed_with(words: list[str], operator: Operator) -> Done:
    """`ask` without a terminal: it stays until somebody else has approved, and prints the answer."""
    before = {r["run_id"] for r in operator.stack.copilot.runs(limit=500)}
    process = started(words)
    question = words[-1]

    def recorded() -> list[str]:
        found = operator.stack.copilot.runs(limit=500)
        return [r["run_id"] for r in found if r["run_id"] not in before and r["question"] == question]

    asked = operator.adopt(until(recorded, RECOVERY)[0])
    operator.finish(asked.wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY))
    operator.known["to undo" if "completed" in operator.known else "completed"] = asked
    out, _ = process.communicate(timeout=RECOVERY)
    return Done(process.returncode, out, "")


def looked_at(words: list[str]) -> Done:
    """A verb that serves a page: its address answers, and Ctrl-C ends it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    process = started(words)
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+/", line)
    try:
        assert address is not None, line
        assert httpx.get(address.group(0), timeout=PATIENCE).status_code == httpx.codes.OK
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=RECOVERY)
    return Done(process.returncode, line + out, "")


def elsewhere(words: list[str], operator: Operator) -> Done:
    """Another program, in this process too, against the stack's Prefect server."""
    given = dict(w.split("=", 1) for w in words if SET.fullmatch(w))
    program, *rest = [w for w in words if not SET.fullmatch(w)]
    if program == "prefect":
        return by_prefect(rest, operator.stack)
    assert program == "python" and rest[0] == "-m", f"neither run nor in the table: {words}"
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        for name, value in {"PREFECT_API_URL": operator.stack.record.prefect_api_url, **given}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", rest[1:])
        patch.delitem(sys.modules, rest[1], raising=False)  # as a program it is loaded anew
        code = exit_code(lambda: runpy.run_module(rest[1], run_name="__main__", alter_sys=True))
    return Done(code, out.getvalue(), "")


def exit_code(program: Callable[[], object]) -> int:
    """What the program ends with."""
    try:
        program()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def by_prefect(words: list[str], stack: Live) -> Done:
    """Prefect's own program, in this process; what it made is looked at and taken away again."""
    from prefect.cli._app import _app
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if words[:2] == ["work-pool", "create"]:
        words = ["documents" if w == "bq-copilot" else w for w in words]
        words = [str(PROJECT_ROOT / w) if w.endswith(".json") else w for w in words]
    out = io.StringIO()
    with temporary_settings({PREFECT_API_URL: stack.record.prefect_api_url}), contextlib.redirect_stdout(out):
        code = exit_code(lambda: _app(words))
    if words[:2] == ["work-pool", "create"]:
        assert stack.prefect("GET", "/work_pools/documents")["type"] == "kubernetes"
        stack.prefect("DELETE", "/work_pools/documents")
    if words[:3] == ["deployment", "schedule", "create"]:
        made = stack.prefect("GET", f"/deployments/name/{words[3]}")
        for one in made["schedules"]:
            stack.prefect("DELETE", f"/deployments/{made['id']}/schedules/{one['id']}")
        assert [s["schedule"]["interval"] for s in made["schedules"]] == [60.0]
    return Done(code, out.getvalue(), "")


# -- without a stack -------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", NOT_HERE)
def test_what_is_not_run_here_is_shown_and_tested_elsewhere(begin: str) -> None:
    """Each row of the table is a command of a document that its program understands, and names a test that is there."""
    shown = [c for p in DOCUMENTS for c in commands_of(p) if c.name.startswith(begin)]
    assert shown, "no document shows it any more"
    for command in shown:
        understood([w for w in command.words if not SET.fullmatch(w)])
    file, name = NOT_HERE[begin][1].split("::")
    tree = ast.parse((PROJECT_ROOT / "tests" / file).read_text("utf-8"))
    assert name in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def understood(words: list[str]) -> None:
    """Fail when the program has no such command or option; what only a shell or Docker knows is for its own test."""
    if words[0] == "prefect":
        from prefect.cli._app import _app

        _app.parse_args(words[1:], exit_on_error=False, print_error=False)
    elif words[0] == "bq-copilot":
        node = get_command(build())
        while (below := getattr(node, "commands", None)) is not None:
            node, words = below[words[1]], words[1:]
        node.make_context("bq-copilot", words[1:])
    elif words[1:2] == ["-m"]:
        assert importlib.util.find_spec(words[2]) is not None, words
    else:
        assert words[0] in {"make", "docker"}, words
