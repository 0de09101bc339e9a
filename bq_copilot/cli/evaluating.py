"""`eval`: golden questions on the durable engine, and how many outcomes are right; `eval import` for other formats."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from bq_copilot.cli.options import Environment, Json
from bq_copilot.cli.output import console, put_json, say
from bq_copilot.client import Copilot
from bq_copilot.errors import Refused
from bq_copilot.installation import find

SAMPLE = "sample"


def evaluate(  # noqa: PLR0913, PLR0917 - one parameter an option
    file: Annotated[str, typer.Argument(metavar="FILE.yaml", help="The evaluation set; `sample` is the shipped one.")],
    model: Annotated[
        str, typer.Option(envvar="BQ_COPILOT_EVAL_MODEL", help="Another model than the installation's.")
    ] = "",
    base_url: Annotated[
        str, typer.Option(envvar="BQ_COPILOT_EVAL_BASE_URL", help="Its endpoint; the key is OPENAI_API_KEY.")
    ] = "",
    label: Annotated[str, typer.Option(help="Names this evaluation: the same label goes on where it stopped.")] = "",
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Questions at once.")] = 2,
    most_seconds: Annotated[float, typer.Option(help="Begin no question after this time; 0: no limit.")] = 0.0,
    out: Annotated[Path, typer.Option(help="Folder for report.json and report.html.")] = Path("eval"),
    compare: Annotated[Path | None, typer.Option(help="The report.json of an earlier evaluation.")] = None,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Ask every question of a set, approve in your name, and say how many outcomes are right."""
    from bq_copilot.evals.report import Report, html  # noqa: PLC0415 - not for the other verbs
    from bq_copilot.evals.running import Evaluation, evaluate, report_of  # noqa: PLC0415
    from bq_copilot.evals.suite import read_suite  # noqa: PLC0415

    suite = read_suite(_path(file))
    place = _other_model(environment, model, base_url) if model or base_url else environment
    named = label or (model or "default")
    evaluation = Evaluation(
        suite, named, parallel, lambda: Copilot(environment=place, via="eval"), most_seconds or None,
        lambda queries: _gold(place, queries),
    )  # fmt: skip
    before = Report.model_validate_json(_earlier(compare)) if compare else None
    scores: list[Any] = []
    for one in evaluate(evaluation):
        scores.append(one)
        if not json:
            sign = "✓" if one.right else "·" if one.unanswered else "✗"
            say(f"{len(scores):>3} {sign} {one.id}{'' if one.right else ': ' + one.why}")
    report = report_of(evaluation, Copilot(environment=place, via="eval"), scores)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(report.model_dump_json(indent=1), "utf-8")
    (out / "report.html").write_text(html(report, before), "utf-8")
    if json:
        put_json({**report.model_dump(mode="json"), "groups": {k: v.model_dump() for k, v in report.groups.items()}})
        return
    _print(report, before, len(suite.questions), out)


def _print(report: Any, before: Any, asked: int, out: Path) -> None:
    from rich.table import Table  # noqa: PLC0415 - not for JSON

    from bq_copilot.evals.report import lines, notes, spent  # noqa: PLC0415

    where = " · sandbox, not BigQuery" if report.sandbox else ""
    table = Table(title=f"{report.name} · {report.model}{where}", title_justify="left")
    for name in ("what", "right", "share", *([f"before ({before.label})"] if before else [])):
        table.add_column(name)
    for row in lines(report, before):
        table.add_row(*row[: 4 if before else 3])
    console().print(table)
    say(spent(report))
    for words, style in notes(report, asked):
        say(words, style)
    say(f"{out / 'report.html'} · {out / 'report.json'}", "dim")


def _earlier(report: Path) -> str:
    try:
        return report.read_text("utf-8")
    except OSError as error:
        hint = "An evaluation writes it as FOLDER/report.json (--out FOLDER)."
        raise Refused(f"{report} cannot be read: {error.strerror}.", code="no_file", next=hint) from error


def _path(file: str) -> Path:
    if file != SAMPLE:
        return Path(file)
    from bq_copilot.cli.local import find_project  # noqa: PLC0415

    find_project()
    return Path(importlib.import_module("deployments.local.sample_data").__file__ or "").parent / "eval.yaml"


def _gold(environment: str, queries: Any) -> Any:
    """Run expected queries under the environment's policy, gate and ceiling."""
    from bq_copilot.cli.local import find_project  # noqa: PLC0415

    find_project()
    made = importlib.import_module("deployments.expected_results")
    return made.expected_results(_api_url(environment), environment, queries)


def _api_url(environment: str) -> str:
    found = find(os.environ, environment).api_url
    if not found:
        raise Refused("No Prefect server is known.", code="no_stack", next="Start the stack with `bq-copilot up`.")
    return found


def _other_model(environment: str, model: str, base_url: str) -> str:
    """Return the name of an environment like this one with another model behind it."""
    from bq_copilot.cli.local import find_project  # noqa: PLC0415

    find_project()
    made = importlib.import_module("deployments.evaluation_environment")
    return str(
        made.with_model(_api_url(environment), environment, model, base_url, os.environ.get("OPENAI_API_KEY", ""))
    )


def import_spider2(
    folder: Annotated[Path, typer.Argument(help="A checkout of Spider2 (spider2-lite), or a folder of its files.")],
    out: Annotated[Path, typer.Option(help="The evaluation set that is written.")] = Path("spider2.yaml"),
    only: Annotated[str, typer.Option(help="Only questions whose id begins with this, e.g. bq.")] = "",
    json: Json = False,
) -> None:
    """Write an evaluation set from Spider2's questions, gold results and gold tables."""
    from bq_copilot.evals.spider2 import imported, written  # noqa: PLC0415

    suite, left_out = imported(folder, only)
    out.write_text(written(suite), "utf-8")
    if json:
        put_json({"questions": len(suite.questions), "left_out": left_out, "file": str(out)})
        return
    say(f"{len(suite.questions)} questions in {out}; {left_out} without a gold result are left out.")
