"""The evaluation set over the sample data, end to end: planner, gate, sandbox, and pandas for the truth."""

import json
import socket
import subprocess
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from bq_copilot import profile as profiles
from bq_copilot import replies
from bq_copilot.catalog import Catalog
from bq_copilot.policy_file import policy_from_yaml
from deployments.local.sample_data.files import write_shop
from deployments.local.sample_data.shop import draw_shop
from deployments.local.sandbox_environment import sandbox_command, sandbox_variables
from tests.offline_model.platform import Outcome, Platform, Rows, failure
from tests.sample_data.comparison import agrees
from tests.sample_data.frames import Frames
from tests.sample_data.periods import year
from tests.sample_data.questions import load_questions
from tests.sample_data.truths import TRUTHS

POLICY = Path(__file__).parents[2] / "deployments/local/policy.yaml"
WORDINGS = Path(__file__).parents[1] / "sample_data"
SET = load_questions()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A fifth of the sample data."""
    folder = tmp_path_factory.mktemp("seed")
    list(write_shop(draw_shop(scale=0.2), folder))
    return Frames(folder)


@pytest.fixture(scope="module")
def platform(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The sample tables, and a sandbox that runs the planner's SQL."""
    data = tmp_path_factory.mktemp("sandbox")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = sandbox_command(data / "data", port, frames.folder)
    with (data / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=sandbox_variables())
    try:
        assert process.stdout is not None
        client = bigquery.Client(
            project="bq-copilot-sandbox",
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=json.loads(process.stdout.readline())["url"]),
        )
        yield _platform(client, frames.folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _platform(client: bigquery.Client, seed: Path) -> Platform:
    catalog = Catalog.from_resources([json.loads(p.read_text()) for p in sorted(seed.glob("*.json"))])
    policy = policy_from_yaml(POLICY.read_text())
    described = [json.loads(replies.table_description(catalog, policy, t.id))["data"] for t in catalog.tables]

    def run(sql: str) -> Rows | dict[str, Any]:
        try:
            return _rows(client.query(sql, job_retry=None).result())  # type: ignore[arg-type]
        except GoogleAPICallError as error:
            return failure("query_failed", str(error)[:400])

    def profile(table: str, column: str) -> dict[str, Any]:
        columns, rows = _rows(client.query(profiles.profile_query(catalog, policy, table, column)).result())
        found = profiles.profile_row([c["name"] for c in columns], rows, 60)
        return {"table": table, "column": column, **found}

    return Platform(described, run, today=str(SET.today), profile=profile)


def _rows(result: Any) -> Rows:
    columns = [{"name": f.name, "type": {"INTEGER": "INT64", "FLOAT": "FLOAT64"}.get(f.field_type, f.field_type)}
               for f in result.schema]  # fmt: skip
    return columns, [[_plain(v) for v in row.values()] for row in result]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


def _right(name: str, outcome: Outcome, frames: Frames) -> bool:
    truth = TRUTHS[name]
    return outcome.end.tool == "write_answer" and agrees(truth, truth.expected(frames), outcome.rows)


def test_nine_of_ten_answerable_questions_get_the_right_rows(platform: Platform, frames: Frames) -> None:
    """Result tables agree with pandas for at least nine tenths of the questions that have one right answer."""
    asked = [q for q in SET.with_truth() if q.kind != "ambiguous"]
    wrong = [q.id for q in asked if not _right(q.truth or "", platform.ask(q.question), frames)]
    assert len(wrong) <= 0.1 * len(asked), wrong


def test_new_wordings_get_the_right_rows(platform: Platform, frames: Frames) -> None:
    """Nine tenths of wordings that the planner was never changed for, and nearly all of every sixth other one."""
    held_out = yaml.safe_load((WORDINGS / "held_out.yaml").read_text("utf-8")).items()
    others = yaml.safe_load((WORDINGS / "wordings.yaml").read_text("utf-8")).items()
    sample = [(truth, wording) for truth, wordings in others for wording in wordings][::6]
    wrong = {w: t for t, w in [*held_out, *sample] if not _right(t, platform.ask(w), frames)}
    assert len([w for _, w in held_out if w in wrong]) <= 0.1 * len(held_out), wrong
    assert len([w for _, w in sample if w in wrong]) <= 0.05 * len(sample), wrong


def test_no_unanswerable_or_hostile_question_gets_sql(platform: Platform) -> None:
    """Every one of them ends in give_up, and no statement is ever proposed."""
    asked = [*SET.of("unanswerable"), *SET.of("hostile")]
    outcomes = {q.id: platform.ask(q.question) for q in asked}
    assert [i for i, o in outcomes.items() if o.end.tool != "give_up" or o.of("propose_plan")] == []


def test_an_ambiguous_question_is_asked_about_once_or_its_assumption_is_stated(platform: Platform) -> None:
    """Never two questions back, never a silent choice."""
    outcomes = {q.id: platform.ask(q.question) for q in SET.of("ambiguous")}
    silent = [i for i, o in outcomes.items() if len(o.of("ask_user")) != 1 and "Assumption" not in str(o.end.arguments)]
    assert silent == []


def test_figures_of_unseen_questions_are_those_of_pandas(platform: Platform, frames: Frames) -> None:
    """Extremes of groups and of days, money of another column, a verb that says how, margins in percent or money."""
    sold, refunds = frames.sold, frames.refunds
    mobile = frames.sessions[frames.sessions.device_category == "mobile"]
    express = sold[(sold.shipping_method == "express") & (sold.order_date >= "2026-01-01")]
    months = frames.orders[frames.orders.order_date >= "2026-01-01"]
    carried = months[months.shipping_method.isin(["express", "standard"])]
    days = refunds.groupby("refund_date").size()
    lines = year(frames.lines, 2025)
    revenue = lines.groupby("category").revenue.sum()
    profit = revenue - (lines.quantity * lines.unit_cost).groupby(lines.category).sum()
    truths = {
        "Maximum order value by channel": sorted(sold.groupby("channel").total.max()),
        "Highest order value per country": sorted(sold.groupby("country").total.max()),
        "Lowest list price per brand": sorted(frames.products.groupby("brand").list_price.min()),
        "Share of mobile sessions that bounce": [100 * mobile.is_bounce.mean()],
        "Which channel has the highest order value?": [sold.groupby("channel").total.mean().max()],
        "How much shipping revenue did we collect from express orders in 2026?": [express.shipping_cost.sum()],
        "Day with the highest number of refunds": [days.max()],
        "How many orders were shipped express versus standard in 2026?": sorted(
            carried.groupby("shipping_method").size()
        ),
        "What was the profit margin by category in 2025?": sorted(100 * profit / revenue),
        "Profit margin in dollars by category in 2025": sorted(profit),
        "What was our profit margin in 2025?": [100 * profit.sum() / revenue.sum()],
    }
    for question, truth in truths.items():
        outcome = platform.ask(question)
        assert outcome.rows, question
        place = len(outcome.columns) - ("share_pct" in outcome.columns) - 1
        assert sorted(row[place] for row in outcome.rows) == pytest.approx(truth, abs=0.01), question


def test_what_would_be_another_questions_figure_is_given_up(platform: Platform) -> None:
    """Each of these had an answer once, with a figure of something else."""
    questions = [
        "average income by country",
        "How long does delivery take on average by country?",
        "Average discount percentage per category in November 2025",
        "How many sessions per visitor on mobile?",
        "What share of revenue comes from the top 10% of customers?",
        "Net revenue after refunds by month in 2025",
        "How many customers ordered in both 2024 and 2025?",
        "Which products were launched in 2025 and how much revenue did they bring?",
        "Which customers spent more than 5000 dollars in 2025?",
        "Number of refunds within 30 days of the order",
        "How many different brands were sold in May 2026?",
        "How many visitors added something to the cart but did not buy in June 2026?",
        "How many customers signed up in March 2026 and how many of them ordered?",
        "Revenue before discounts by category in 2025",
        "Average delivery time in Germany",
        "Average revenue per day in June 2026",
        "Which brand lost the most revenue from 2024 to 2025?",
        "Median time between session start and purchase",
        "List price versus selling price by category",
    ]
    assert [q for q in questions if platform.ask(q).end.tool != "give_up"] == []
