"""The `Warehouse` block: which BigQuery (or sandbox) a run reads, as whom, and where its results may land."""

from __future__ import annotations

from functools import partial
from typing import Any, Self

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from prefect.blocks.core import Block
from prefect_gcp import GcpCredentials
from pydantic import Field, model_validator

from blocks.accounts import Accounts, acting_as, own_credentials
from blocks.bigquery import BigQueryWarehouse

SANDBOX = "sandbox@localhost"
"""Whom the sandbox takes everybody for."""


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
    reading_account: str = Field(
        default="",
        description="Service account to plan as: it lists, describes, prices and profiles, and can write nothing. "
        "Empty: the credentials above.",
    )
    executing_account: str = Field(
        default="",
        description="Service account that runs approved jobs of requesters who have none of their own. "
        "Empty: the credentials above, or nobody where requesters have their own.",
    )
    executing_accounts: dict[str, str] = Field(
        default_factory=dict, description="Service account of each requester, by the requester's name."
    )
    job_timeout_seconds: int = Field(default=600, gt=0, description="BigQuery stops a job after this time.")
    call_timeout_seconds: float = Field(default=30.0, gt=0, description="Deadline of one REST call.")

    @model_validator(mode="after")
    def _named_well(self) -> Self:
        if wrong := self.accounts.problems():
            raise ValueError("; ".join(wrong))
        return self

    @property
    def accounts(self) -> Accounts:
        """Who plans and who runs jobs."""
        return Accounts(self.reading_account, self.executing_account, self.executing_accounts)

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
        """Whose credentials the block itself has."""
        if self.is_sandbox:
            return SANDBOX
        info = self.credentials.service_account_info if self.credentials else None
        return str((info.get_secret_value() if info else {}).get("client_email", "application-default"))

    def principal_of(self, account: str) -> str:
        """Who works when this account was chosen; the sandbox asks nobody, and says who it would have been."""
        if self.is_sandbox and account:
            return f"{SANDBOX} for {account}"
        return account or self.principal

    def open(self) -> BigQueryWarehouse:
        """Build the adapter that plans, and through it those that run jobs; no call is made yet."""
        reading = self.accounts.reading
        return self._adapter(reading, writes=self.is_sandbox or not reading, executing=self._open_for)

    def _open_for(self, requester: str) -> BigQueryWarehouse:
        """Build the adapter that runs this requester's jobs. Raises Refused when nobody may."""
        return self._adapter(self.accounts.executing_for(requester), writes=True)

    def _adapter(self, account: str, **more: Any) -> BigQueryWarehouse:
        return BigQueryWarehouse(
            partial(self._client, account),
            scratch=f"{self.project}.{self.scratch_dataset}",
            scratch_days=self.scratch_days,
            call_timeout=self.call_timeout_seconds,
            principal=self.principal_of(account),
            **more,
        )

    def _client(self, account: str) -> bigquery.Client:
        if self.is_sandbox:
            return bigquery.Client(
                project=self.project,
                location=self.location,
                credentials=AnonymousCredentials(),
                client_options={"api_endpoint": self.endpoint},
            )
        if account:
            found = acting_as(account, self.own)
        elif self.credentials is not None:
            return self.credentials.get_bigquery_client(project=self.project, location=self.location)
        else:
            found = own_credentials()
        return bigquery.Client(project=self.project, location=self.location, credentials=found)

    def own(self) -> Any:
        """The block's own credentials, or this process's. Raises Refused when there are none."""
        return self.credentials.get_credentials_from_service_account() if self.credentials else own_credentials()
