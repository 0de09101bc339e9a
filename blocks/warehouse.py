"""The `Warehouse` block: which BigQuery (or sandbox) a run reads, as whom, and where its results may land."""

from __future__ import annotations

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from prefect.blocks.core import Block
from prefect_gcp import GcpCredentials
from pydantic import Field

from blocks.bigquery import BigQueryWarehouse


class Warehouse(Block):
    """A BigQuery project that the copilot may read."""

    _block_type_name = "Warehouse"
    _block_type_slug = "bq-copilot-warehouse"
    _description = "BigQuery, or the local sandbox: project, location, credentials and byte ceilings."

    project: str = Field(description="Project that runs and pays for the jobs.")
    location: str = Field(default="US", description="BigQuery location of the datasets and of every job.")
    scratch_dataset: str = Field(
        default="copilot_scratch",
        description="Dataset in the project for result tables; the only place that is ever written.",
    )
    scratch_days: float = Field(default=7, gt=0, description="Days after which a result table is dropped.")
    endpoint: str = Field(
        default="",
        description="REST endpoint of the sandbox, e.g. http://127.0.0.1:9050. Empty: the real BigQuery.",
    )
    credentials: GcpCredentials | None = Field(
        default=None, description="Service account. Empty: application default credentials."
    )
    job_timeout_seconds: int = Field(default=600, gt=0, description="BigQuery stops a job after this time.")
    call_timeout_seconds: float = Field(default=30.0, gt=0, description="Deadline of one REST call.")

    @property
    def is_sandbox(self) -> bool:
        """True when figures come from the local sandbox and not from BigQuery."""
        return bool(self.endpoint)

    @property
    def label(self) -> str:
        """Name the warehouse as a person should read it."""
        return f"{self.project} (sandbox, not BigQuery)" if self.is_sandbox else f"{self.project} ({self.location})"

    @property
    def principal(self) -> str:
        """Who runs the jobs: part of a job's fingerprint."""
        if self.is_sandbox:
            return "sandbox@localhost"
        info = self.credentials.service_account_info if self.credentials else None
        return str((info.get_secret_value() if info else {}).get("client_email", "application-default"))

    def open(self) -> BigQueryWarehouse:
        """Build the adapter; no call is made yet."""
        return BigQueryWarehouse(
            self._client(),
            scratch=f"{self.project}.{self.scratch_dataset}",
            scratch_days=self.scratch_days,
            call_timeout=self.call_timeout_seconds,
        )

    def _client(self) -> bigquery.Client:
        if self.is_sandbox:
            return bigquery.Client(
                project=self.project,
                location=self.location,
                credentials=AnonymousCredentials(),
                client_options={"api_endpoint": self.endpoint},
            )
        if self.credentials is not None:
            return self.credentials.get_bigquery_client(project=self.project, location=self.location)
        return bigquery.Client(project=self.project, location=self.location)
