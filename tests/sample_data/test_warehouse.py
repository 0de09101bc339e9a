"""The sandbox warehouse, read by the official client, says about the sample data what pandas says."""

import json
import socket
import subprocess
from collections.abc import Iterator

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from deployments.local.sample_data.tables import TABLES
from deployments.local.sandbox_environment import sandbox_command, sandbox_variables
from tests.sample_data.comparison import agrees
from tests.sample_data.frames import Frames
from tests.sample_data.questions import gold_sql
from tests.sample_data.truths import TRUTHS

PROJECT = "bq-copilot-sandbox"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def warehouse(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """The official client, connected to a sandbox that is seeded with the shared frames' files."""
    data = tmp_path_factory.mktemp("sandbox")
    command = sandbox_command(data / "data", free_port(), frames.folder)
    with (data / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=sandbox_variables())
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, (data / "log").read_text()[-2000:]
        yield bigquery.Client(
            project=PROJECT,
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=json.loads(ready)["url"]),
        )
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_seed_loads_whole(warehouse: bigquery.Client, frames: Frames) -> None:
    """Every table is there with its rows, descriptions and policy tags."""
    rows = {name: warehouse.get_table(f"{PROJECT}.{name}").num_rows for name in TABLES}
    assert rows["shop.orders"] == len(frames.orders)
    assert rows["web.events"] == len(frames.events)
    assert all(rows.values())
    email = next(c for c in warehouse.get_table(f"{PROJECT}.shop.customers").schema if c.name == "email")
    assert email.policy_tags is not None
    assert email.description


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_the_warehouse_gives_the_truth(warehouse: bigquery.Client, frames: Frames, name: str) -> None:
    """The hand-written query's result through the official client agrees with pandas."""
    rows = warehouse.query(gold_sql(name)).result()
    found = [tuple(row.values()) for row in rows]
    assert agrees(TRUTHS[name], TRUTHS[name].expected(frames), found), found[:5]
