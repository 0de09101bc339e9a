"""The `LedgerStore` block: the ledger's database and the storage of big texts beside it."""

from __future__ import annotations

import os
from pathlib import Path

from prefect.blocks.core import Block
from prefect_gcp import GcsBucket
from pydantic import Field, SecretStr

from blocks.bucket_blobs import SCHEME, BucketBlobs, open_bucket
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.head_signatures import signer_of
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.shelf import Shelf


class LedgerStore(Block):
    """Where events and results are kept."""

    _block_type_name = "Ledger Store"
    _block_type_slug = "bq-copilot-ledger-store"
    _description = "The ledger's database (SQLite or PostgreSQL) and the folder or bucket of stored results."

    url: SecretStr = Field(description="SQLAlchemy URL, e.g. sqlite:////path/ledger.db or postgresql+psycopg://…")
    results: str = Field(
        description="Where result pages and other big texts are kept: a folder that all hosts share, or gs://bucket/folder."
    )
    bucket: GcsBucket | None = Field(
        default=None, description="For gs://: the bucket block whose credentials are used. Empty: the process's own."
    )

    def open_ledger(self) -> SqlLedger:
        """Connect to the ledger; its tables are created when they are missing."""
        return SqlLedger(self.url.get_secret_value(), signer=signer_of(os.environ))

    def open_shelf(self) -> Shelf:
        """Open the storage of big texts."""
        if not self.results.startswith(SCHEME):
            return Shelf(FolderBlobs(Path(self.results)))
        if self.bucket is None:
            return Shelf(open_bucket(self.results))
        return Shelf(BucketBlobs(self.results, self.bucket.gcp_credentials.get_cloud_storage_client()))
