"""`bq-copilot check`: shape of output, exit codes, offline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bq_copilot.cli_check import check, policy_app
from bq_copilot.errors import Refused
from bq_copilot.gate import Gate
from bq_copilot.gate.checking import check_lines, exit_code, statements
from tests.gate.fuzz import ACME

LINES = [
    {"id": "a", "sql": "SELECT sku FROM `acme.shop.refunds` WHERE amount > @low", "params": {"low": 3}},
    {"id": "b", "sql": "SELECT email FROM `acme.shop.customers`"},
]


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(check)
    app.add_typer(policy_app, name="policy")
    return app


def run(command: typer.Typer, *words: str, text: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(command, list(words), input=text)
    return result.exit_code, result.output


def test_lines_in_give_lines_out(gate: Gate) -> None:
    """Each statement gets one result with its id, ruling, tables and leaves."""
    text = "\n".join(json.dumps(line) for line in LINES)
    results = list(check_lines(gate, statements(text, lines=True)))
    assert [(r.id, r.ruling, r.tagged_in_output) for r in results] == [("a", "allow", False), ("b", "deny", True)]
    assert results[0].columns == ("acme.shop.refunds.amount", "acme.shop.refunds.sku")
    assert (exit_code(results), exit_code(results[:1])) == (3, 0)


@pytest.mark.parametrize("text", ["{", "[]", '{"id": 1}', '{"sql": 3}'])
def test_bad_lines_are_refused(text: str) -> None:
    """A line that is no statement stops the command instead of being skipped."""
    with pytest.raises(Refused):
        list(statements(text, lines=True))


def test_the_command_reads_a_file_of_lines(command: typer.Typer, tmp_path: Path) -> None:
    """A .jsonl file gives one JSON object a line, and exit code 3 when one is denied."""
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in LINES))
    code, output = run(command, "check", "--schema", str(ACME), "--json", str(file))
    rows = [json.loads(line) for line in output.splitlines()]
    assert code == 3
    assert set(rows[0]) == {"id", "ruling", "findings", "tables", "columns", "tagged_read", "tagged_in_output"}
    assert rows[1]["findings"][0]["rule"] == "P04"


def test_the_command_reads_standard_input(command: typer.Typer) -> None:
    """`-` reads one statement, and a clean one exits with 0."""
    code, output = run(command, "check", "--schema", str(ACME), "-", text="SELECT sku FROM `acme.shop.refunds`")
    assert (code, output.splitlines()[0]) == (0, "1: allow")


def test_bad_input_exits_with_two(command: typer.Typer, tmp_path: Path) -> None:
    """A missing file or a broken policy is bad input, not a verdict."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("nonsense: 1")
    assert run(command, "check", "--schema", str(ACME), str(tmp_path / "none.sql"))[0] == 2
    assert run(command, "check", "--schema", str(ACME), "--policy", str(policy), "-", text="SELECT 1")[0] == 2


def test_explain_names_rule_place_and_rewrite(command: typer.Typer) -> None:
    """A person is told which rule, where, and what to write instead."""
    code, output = run(command, "policy", "explain", "--schema", str(ACME), LINES[1]["sql"])
    assert code == 3
    assert "rule P04 at line 1, column 8" in output
    assert "rewrite:" in output


def test_check_needs_no_prefect() -> None:
    """The offline command does not import the workflow engine."""
    script = "import sys, bq_copilot.cli_check; sys.exit(any(m.split('.')[0] == 'prefect' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
