"""Names of projects, datasets and tables, and where a table lives inside DuckDB.

Decides the one mapping between a BigQuery name and a DuckDB name. Datasets become schemas with a prefix, so that no
dataset can be called like one of DuckDB's own schemas or like the sandbox's registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bq_sandbox.refusals import Refusal

PROJECT = "bq-copilot-sandbox"
LOCATION = "US"

_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_TABLE = re.compile(r"[^\x00-\x1f`\".*/\\]{1,1024}")
_JOB = re.compile(r"[A-Za-z0-9_-]{1,1024}")


@dataclass(frozen=True)
class TableName:
    """A table in full: project, dataset and table id."""

    project: str
    dataset: str
    table: str

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}.{self.table}"

    @property
    def legacy(self) -> str:
        """The spelling of BigQuery's messages and resource ids, `project:dataset.table`."""
        return f"{self.project}:{self.dataset}.{self.table}"

    @property
    def duckdb(self) -> str:
        """The quoted DuckDB name."""
        return f"{quoted(schema_of(self.dataset))}.{quoted(self.table)}"

    def reference(self) -> dict[str, str]:
        """The REST `TableReference`."""
        return {"projectId": self.project, "datasetId": self.dataset, "tableId": self.table}


def quoted(identifier: str) -> str:
    """An identifier as DuckDB reads it, whatever it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def schema_of(dataset: str) -> str:
    """The DuckDB schema of a dataset."""
    return f"bq__{dataset}"


def table_from_reference(reference: dict[str, str]) -> TableName:
    """A REST `TableReference` as a name; refuses ids that BigQuery would refuse."""
    dataset, table = reference.get("datasetId", ""), reference.get("tableId", "")
    return TableName(check_project(reference.get("projectId", PROJECT)), check_dataset(dataset), check_table(table))


def check_project(project: str) -> str:
    """The project's id, if it is the sandbox's only one."""
    if project != PROJECT:
        raise Refusal(
            "accessDenied",
            f"Access Denied: Project {project}: the sandbox holds only the project {PROJECT}.",
        )
    return project


def check_dataset(dataset: str) -> str:
    """The dataset's id, if it is a legal one."""
    if not _DATASET.fullmatch(dataset):
        raise Refusal("invalid", f'Invalid dataset ID "{dataset}".')
    return dataset


def check_table(table: str) -> str:
    """The table's id, if it is a legal one."""
    if not _TABLE.fullmatch(table):
        raise Refusal("invalid", f'Invalid table ID "{table}".')
    return table


def check_job(job_id: str) -> str:
    """The job's id, if it is a legal one."""
    if not _JOB.fullmatch(job_id):
        raise Refusal("invalid", f'Invalid job ID "{job_id}": letters, digits, _ and - only, at most 1024.')
    return job_id
