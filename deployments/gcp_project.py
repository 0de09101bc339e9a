"""A real project behind the `Project` port: the requests that `init-gcp --check` sends, all of them read only.

Decides: nothing. Never does: write, or run a query; a dry run reads no row and costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from blocks.accounts import SOURCE_SCOPE, acting_as
from blocks.bigquery import BigQueryWarehouse
from blocks.bigquery_errors import translate
from blocks.warehouse import Warehouse
from bq_copilot.errors import Refused, Transient
from deployments.gcp_plan import Wanted

RESOURCES = "https://cloudresourcemanager.googleapis.com/v1/projects/{}:testIamPermissions"


class GoogleProject:
    """The project that a plan names, looked at with a block's credentials, or this process's own, by impersonation."""

    def __init__(self, wanted: Wanted, block: Warehouse | None = None) -> None:
        self._wanted = wanted
        self._block = block or Warehouse(project=wanted.project, location=wanted.location)
        self._open: dict[str, BigQueryWarehouse] = {}

    def price(self, account: str) -> None:
        """Dry-run `SELECT 1`."""
        self._as(account).dry_run("SELECT 1", ())

    def count_tables(self, account: str, dataset: str) -> int:
        """Count what the account sees in a dataset."""
        return len(self._as(account).list_tables(dataset))

    def dataset(self, account: str, dataset: str) -> dict[str, Any]:
        """Return a dataset as BigQuery shows it to the account."""
        return self._as(account).describe_dataset(dataset)

    def granted(self, account: str, permissions: Sequence[str]) -> set[str]:
        """Return which of these the account has in the whole project."""
        what = f"looking at the rights of {account}"
        try:
            session = AuthorizedSession(acting_as(account, self._block.own, SOURCE_SCOPE))
            url = RESOURCES.format(self._wanted.project)
            answer = session.post(url, json={"permissions": list(permissions)}, timeout=30)
        except (GoogleAuthError, requests.RequestException) as error:
            raise translate(error, what) from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Transient(f"{what}: Google answered {answer.status_code}", code="warehouse_unreachable")
        if not answer.ok:
            raise Refused(f"{what}: Google answered {answer.status_code}", code="accessDenied")
        return set(answer.json().get("permissions", ()))

    def _as(self, account: str) -> BigQueryWarehouse:
        if account not in self._open:
            self._open[account] = self._block.model_copy(update={"reading_account": account}).open()
        return self._open[account]
