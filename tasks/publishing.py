"""Put a run where people look in the Prefect UI: answer with its chart, SQL, result tables, timeline, a link.

Decides when: after the run has ended, so that nobody waits for it; the ledger has the answer already. A process that
dies in between leaves a flow run that Prefect still believes in; recovery starts it once more, and it publishes then.
Never decides anything about a run: what cannot be published is logged and left out, the ledger has it all the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import httpx
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact, acreate_table_artifact
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_UI_URL

from bq_copilot.answer_text import answer_markdown, chart_markdown, sql_markdown, timeline_markdown
from bq_copilot.charts import svg_of
from bq_copilot.errors import CopilotError
from bq_copilot.safe_text import clip
from bq_copilot.state import RunState
from bq_copilot.views import chart_view
from tasks.durable import Place, effect
from tasks.endings import OUTAGES, wait_for_server
from tasks.outage import is_outage
from tasks.run import Run

TABLE_ROWS = 100
"""Rows of a result table that are shown in the Prefect UI."""

WORDS = {"sql": "The SQL as it was last planned", "chart": "The answer's chart", "timeline": "Timeline"}

Rows = list[list[Any]]

log = logging.getLogger("bq_copilot.run")


@dataclass(frozen=True)
class Page:
    """What is published of a run: Markdown by name, tables by query, and what the link says."""

    texts: dict[str, str]
    tables: dict[str, list[dict[str, Any]]]
    link: str


@effect(name="write answer")
async def publish(place: Place, key: str, page: Page) -> int:
    """Create the artifacts of a run, all at once; return how many."""
    creating: list[Coroutine[Any, Any, Any]] = [_answer(key, page)]
    for name, text in page.texts.items():
        if name != "answer" and text:
            creating.append(_markdown(key, name, text))
    creating += [_table(key, query, rows) for query, rows in page.tables.items()]
    return sum(await asyncio.gather(*creating))


async def _answer(key: str, page: Page) -> int:
    """The answer, and the link that leads to it from the list of artifacts and from the run's graph."""
    made = await acreate_markdown_artifact(page.texts["answer"], key=f"{key}-answer", description="Answer")
    pages = PREFECT_UI_URL.value()
    if not pages:
        return 1
    await acreate_link_artifact(
        f"{pages.rstrip('/')}/artifacts/artifact/{made}", page.link, key=f"{key}-link", description="Link to the answer"
    )
    return 2


async def _markdown(key: str, name: str, text: str) -> int:
    await acreate_markdown_artifact(text, key=f"{key}-{name}", description=WORDS[name])
    return 1


async def _table(key: str, query: str, rows: list[dict[str, Any]]) -> int:
    name = f"{key}-result-{query}".lower().replace("_", "-")
    await acreate_table_artifact(rows, key=name, description=f"Result of {query}")
    return 1


async def publish_end(run: Run) -> None:
    """Publish an ended run; a server that does not answer is waited for, as it is told the end as well."""
    seconds = run.rules.clocks.of("publish").running_seconds
    for _ in range(OUTAGES):
        try:
            await asyncio.wait_for(publish_run(run), seconds)
            return
        except (CopilotError, PrefectException, httpx.HTTPError, TimeoutError) as error:
            if not is_outage(error):
                log.warning("%s was not published: %s", run.id, error, extra={"run_id": run.id})
                return
            await wait_for_server(run)


async def publish_run(run: Run) -> None:
    """Publish what the run has found so far."""
    results = {query: _rows(run, query) for query in run.state.results}
    place = Place(run_id=run.id, seq=run.state.seq, kind="publish", inputs=run.state.hash)
    page = Page(_texts(run, results), {}, clip(f"Answer: {run.state.question}", 120))
    for query, rows in results.items():
        names = [c.name for c in run.state.results[query].columns]
        page.tables[query] = [dict(zip(names, row, strict=True)) for row in rows[:TABLE_ROWS]]
    await publish(place, run.id, page)


def _rows(run: Run, query: str) -> Rows:
    return json.loads(run.env.shelf.get(run.state.results[query].page))["rows"]


def _texts(run: Run, results: dict[str, Rows]) -> dict[str, str]:
    picture = _picture(run.state, results)
    return {
        "answer": answer_markdown(run.state, picture),
        "sql": sql_markdown(run.state.plan),
        "chart": picture,
        "timeline": timeline_markdown(run.journal.ledger.read(run.id)),
    }


def _picture(state: RunState, results: dict[str, Rows]) -> str:
    chart = chart_view(state.answer.chart) if state.answer else None
    if chart is None or chart["query"] not in results:
        return ""
    columns = [c.name for c in state.results[chart["query"]].columns]
    return chart_markdown(chart["title"], svg_of(chart, columns, results[chart["query"]]))
