"""`bq-copilot check` and `bq-copilot policy explain`: the gate from the command line, offline.

Decides what is printed and the exit code. It imports neither Prefect nor the client, so that the first verdict comes
within seconds on a machine that runs nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, cast

import typer
from pydantic import ValidationError

from bq_copilot.catalog import Catalog
from bq_copilot.errors import Refused
from bq_copilot.gate.advice import rule_text
from bq_copilot.gate.checking import Checked, Exit, check_lines, exit_code, looks_like_lines, statements
from bq_copilot.gate.engines import open_gate
from bq_copilot.gate.verdict import Finding, Verdict
from bq_copilot.policy import Policy
from bq_copilot.policy_file import policy_from_yaml

app = typer.Typer(add_completion=False, help="Rule on SQL offline.")
policy_app = typer.Typer(add_completion=False, help="Show what the policy says about a statement.")

SchemaOption = Annotated[Path, typer.Option("--schema", help="Catalog file (tables, columns, tags).")]
PolicyOption = Annotated[Path | None, typer.Option("--policy", help="Policy file (YAML).")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="FILE.sql, FILE.jsonl, or - for standard input.")],
    schema: SchemaOption,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rule on statements. Exit 0 when none is denied, 3 when one is, 2 for bad input."""
    try:
        document, rules = _document(schema), _policy_text(policy)
        catalog = Catalog.from_document(document)
        chosen = _policy(rules, document)
        text = _text(file)
        lines = file.endswith(".jsonl") or (file == "-" and looks_like_lines(text))
        items = list(statements(text, lines=lines))
    except (Refused, ValueError, KeyError, OSError) as error:
        typer.echo(f"bad input: {error}", err=True)
        raise typer.Exit(Exit.BAD_INPUT) from error
    results: list[Checked] = []
    with open_gate(catalog, chosen) as gate:
        for result in check_lines(gate, items):
            results.append(result)
            typer.echo(result.model_dump_json() if as_json or lines else _line(result))
    raise typer.Exit(exit_code(results))


@policy_app.command("explain")
def policy_explain(
    sql: Annotated[str, typer.Argument(help="The statement, or - for standard input.")],
    schema: SchemaOption,
    policy: PolicyOption = None,
) -> None:
    """Say which rule applies to a statement, where, and how to rewrite it."""
    try:
        document = _document(schema)
        catalog, chosen = Catalog.from_document(document), _policy(_policy_text(policy), document)
        text = sys.stdin.read() if sql == "-" else sql
    except (Refused, ValueError, KeyError, OSError) as error:
        typer.echo(f"bad input: {error}", err=True)
        raise typer.Exit(Exit.BAD_INPUT) from error
    with open_gate(catalog, chosen) as gate:
        verdict = gate.rule(text)
    typer.echo(explained(verdict))
    raise typer.Exit(Exit.DENIED if verdict.denied else Exit.FINE)


def explained(verdict: Verdict) -> str:
    """Return the explanation of a verdict for a person."""
    head = [f"ruling: {verdict.ruling}", f"engines: {', '.join(verdict.engines)}"]
    facts = [f"reads: {name}" for name in verdict.facts.columns]
    reasons = [line for found in verdict.findings for line in _reason(found)]
    body = ["", verdict.sql] if verdict.sql and not verdict.denied else []
    return "\n".join([*head, *facts, *reasons, *body])


def _reason(found: Finding) -> list[str]:
    where = f" at line {found.line}, column {found.column}" if found.line else ""
    return [
        f"{found.severity}: rule {found.rule}{where}: {found.message}",
        f"    the rule: {rule_text(found.rule)}",
        f"    rewrite:  {found.advice}",
    ]


def _line(result: Checked) -> str:
    reasons = [f"  {f.rule} line {f.line}: {f.message}" for f in result.findings]
    return "\n".join([f"{result.id}: {result.ruling}", *reasons])


def _document(path: Path) -> dict[str, object]:
    loaded = cast("object", json.loads(path.read_text("utf-8")))
    if not isinstance(loaded, dict):
        raise Refused(f"{path} does not hold one JSON object.", code="bad_input")
    return cast("dict[str, object]", loaded)


def _policy_text(path: Path | None) -> str | None:
    return None if path is None else path.read_text("utf-8")


def _policy(text: str | None, document: dict[str, object]) -> Policy:
    """Return the policy of a file, or the default one with the schema file's allowed datasets."""
    if text is not None:
        return policy_from_yaml(text)
    allowed = document.get("allowed_datasets")
    names = [str(n) for n in cast("list[object]", allowed)] if isinstance(allowed, list) else []
    try:
        return Policy(name="schema file", allowed_datasets=tuple(names))
    except ValidationError as error:
        raise Refused("the schema file's allowed_datasets is not a list of names", code="bad_input") from error


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is not UTF-8.", code="bad_input") from error


app.add_typer(policy_app, name="policy")
