"""One gate and one warehouse for all statements of the corpora, and each verdict only once."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from bq_copilot.gate import Parameter, Verdict
from tests.gate_corpus.run_corpus import acme_gate
from tests.gate_corpus.seed import PROJECT, view_texts, write_seed

Rule = Callable[[str, tuple[Parameter, ...]], Verdict]


@pytest.fixture(scope="session")
def rule() -> Iterator[Rule]:
    """Rule on a statement with the whole gate; the same text is ruled on once."""
    known: dict[str, Verdict] = {}
    with acme_gate() as gate:

        def ruled(sql: str, given: tuple[Parameter, ...]) -> Verdict:
            if (key := repr((sql, given))) not in known:
                known[key] = gate.rule(sql, given)
            return known[key]

        yield ruled


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """The official client, connected to a sandbox that holds the small acme warehouse and its views."""
    from deployments.local.sandbox_environment import sandbox_python

    folder = tmp_path_factory.mktemp("acme")
    write_seed(folder / "seed")
    command = [str(sandbox_python()), "-m", "bq_sandbox", "--data-dir", str(folder / "data")]
    command += ["--port", str(_free_port()), "--seed", str(folder / "seed")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, (folder / "log").read_text()[-2000:]
        yield _with_views(json.loads(ready)["url"])
    finally:
        process.terminate()
        process.wait(timeout=10)


def _with_views(url: str) -> bigquery.Client:
    client = bigquery.Client(
        project=PROJECT, credentials=AnonymousCredentials(), client_options=ClientOptions(api_endpoint=url)
    )
    for name, text in view_texts().items():
        view = bigquery.Table(name)
        view.view_query = text
        client.create_table(view)
    return client


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
