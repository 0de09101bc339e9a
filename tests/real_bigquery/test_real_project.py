"""What we rely on, asked of a real BigQuery project; skipped where none is named.

`BQ_COPILOT_REAL_PROJECT` names it; the other variables stand in docs/bigquery-setup.md. Credentials are the application
default. Each job may bill 10 MiB at most; nothing but tables of the scratch dataset is written.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bq_copilot.errors import Conflict, Refused
from bq_copilot.ports import JobSpec, JobView
from tests.waiting import until

if TYPE_CHECKING:
    from blocks.bigquery import BigQueryWarehouse

PROJECT = "BQ_COPILOT_REAL_PROJECT"
MIB = 2**20
PUBLIC = "bigquery-public-data.samples.shakespeare"
LARGE = "SELECT title FROM `bigquery-public-data.samples.wikipedia`"
SLOW = "SELECT SUM(MOD(a * b, 7)) AS n FROM UNNEST(GENERATE_ARRAY(1, 200000)) a, UNNEST(GENERATE_ARRAY(1, 200000)) b"

pytestmark = pytest.mark.skipif(
    not os.environ.get(PROJECT), reason=f"no real project: set {PROJECT} (docs/bigquery-setup.md)"
)


@pytest.fixture(scope="module")
def planner() -> BigQueryWarehouse:
    """The adapter as a run has it."""
    from blocks.warehouse import Warehouse

    said = os.environ.get
    return Warehouse(
        project=os.environ[PROJECT],
        location=said("BQ_COPILOT_REAL_LOCATION", "US"),
        scratch_dataset=said("BQ_COPILOT_REAL_SCRATCH", "copilot_scratch"),
        reading_account=said("BQ_COPILOT_REAL_READER", ""),
        executing_account=said("BQ_COPILOT_REAL_RUNNER", ""),
    ).open()


@pytest.fixture(scope="module")
def runner(planner: BigQueryWarehouse) -> BigQueryWarehouse:
    """The adapter that runs approved jobs, with its scratch dataset."""
    found = planner.acting_for("real-test")
    found.prepare()
    return found


@pytest.fixture
def spec(runner: BigQueryWarehouse) -> Iterator[JobSpec]:
    """A job of its own; whatever it writes is dropped."""
    name = f"bqc-real-{uuid.uuid4().hex[:12]}"
    table = f"{runner.scratch}.{name.replace('-', '_')}"
    labels = (("app", "bq-copilot"), ("run", "real-test"))
    yield JobSpec(name, "SELECT 1 AS n", (), table, 10 * MIB, 60_000, labels, "f" * 32)
    runner.drop(table)


def done(runner: BigQueryWarehouse, job_id: str) -> Any:
    """Wait until the job is DONE."""

    def look() -> JobView | None:
        found = runner.job(job_id)
        return found if found is not None and found.state == "DONE" else None

    return until(look, seconds=120)


def test_dry_run_prices_without_running(planner: BigQueryWarehouse) -> None:
    """Statement type, bytes, accuracy, tables and columns are all there."""
    found = planner.dry_run(f"SELECT word FROM `{PUBLIC}`", ())
    assert found.statement_type == "SELECT" and (found.bytes or 0) > 0 and found.accuracy == "PRECISE"
    assert found.tables == (PUBLIC,) and found.columns is not None and [c.name for c in found.columns] == ["word"]


def test_dry_run_of_a_wrong_name_says_the_reason(planner: BigQueryWarehouse) -> None:
    """An unknown column is `invalidQuery`."""
    with pytest.raises(Refused) as refused:
        planner.dry_run(f"SELECT nothing_like_it FROM `{PUBLIC}`", ())
    assert refused.value.code == "invalidQuery"


def test_same_job_id_twice_runs_once_and_is_adopted(runner: BigQueryWarehouse, spec: JobSpec) -> None:
    """The second insert is a conflict; the look-up has our fingerprint, destination and result."""
    runner.insert(spec)
    with pytest.raises(Conflict):
        runner.insert(spec)
    found = done(runner, spec.job_id)
    assert found.ok and found.fingerprint == spec.fingerprint and found.destination == spec.destination
    assert runner.page(spec.job_id, 10).rows == ((1,),)


def test_unknown_job_is_none(runner: BigQueryWarehouse) -> None:
    """A job that was never sent is not there, and that is no error."""
    assert runner.job(f"bqc-real-{uuid.uuid4().hex}") is None


def test_cancelled_job_ends_as_stopped(runner: BigQueryWarehouse, spec: JobSpec) -> None:
    """A cancel is taken, and its reason is `stopped`."""
    runner.insert(replace(spec, sql=SLOW))
    runner.cancel(spec.job_id)
    found = done(runner, spec.job_id)
    assert not found.ok and found.failure is not None and found.failure.code == "stopped"


def test_job_above_its_ceiling_is_refused_and_bills_nothing(runner: BigQueryWarehouse, spec: JobSpec) -> None:
    """`maximumBytesBilled` holds before anything is read."""
    runner.insert(replace(spec, sql=LARGE))
    found = done(runner, spec.job_id)
    assert not found.ok and found.bytes_billed == 0
    assert found.failure is not None and found.failure.code == "bytesBilledLimitExceeded"


def test_information_schema_has_the_columns_that_we_know(planner: BigQueryWarehouse) -> None:
    """Names and types of COLUMNS are those that the gate takes for granted."""
    found = planner.dry_run(
        "SELECT table_name, column_name, data_type, is_nullable, is_partitioning_column "
        "FROM `bigquery-public-data.samples`.INFORMATION_SCHEMA.COLUMNS",
        (),
    )
    assert found.columns is not None and {c.type for c in found.columns} == {"STRING"}


def test_scratch_table_is_dropped_once(runner: BigQueryWarehouse, spec: JobSpec) -> None:
    """The first drop removes it, the second finds nothing; a table elsewhere is left alone."""
    runner.insert(spec)
    assert done(runner, spec.job_id).ok
    assert runner.drop(spec.destination) and not runner.drop(spec.destination)
    with pytest.raises(Refused):
        runner.drop(PUBLIC)
