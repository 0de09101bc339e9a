"""Blobs in a Google Cloud Storage bucket: the shelf of an installation of several hosts.

An object is written once, under the digest of what it holds, with the condition that it is not there yet:
two writers of the same text both succeed, and nothing is ever replaced. GCS shows an object whole or not at all.
"""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions as google

from bq_copilot.errors import Refused, Transient

SCHEME = "gs://"

TIMEOUT = 30.0
"""Seconds for one call; the caller retries."""


def open_bucket(address: str) -> BucketBlobs:
    """Open the bucket at `gs://bucket/folder` as this process's own account."""
    from google.cloud import storage  # noqa: PLC0415 - loads slowly

    return BucketBlobs(address, storage.Client())


class BucketBlobs:
    """Blobs as objects under `gs://bucket/prefix`; `client` is a `google.cloud.storage.Client`."""

    def __init__(self, address: str, client: Any) -> None:
        bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
        if not address.startswith(SCHEME) or not bucket:
            raise Refused(
                f"{address} is no bucket.",
                code="bad_storage",
                next="Write it as gs://bucket or gs://bucket/folder.",
            )
        self._bucket = client.bucket(bucket)
        self._prefix = prefix.strip("/")

    def write(self, name: str, data: bytes) -> None:
        """Keep `data` under `name`; once this returns it survives a crash. Raises Transient."""
        blob = self._bucket.blob(self._path(name))
        try:
            blob.upload_from_string(data, if_generation_match=0, checksum="crc32c", timeout=TIMEOUT)
        except google.PreconditionFailed:
            return  # it is there: the name is the digest of the data
        except google.GoogleAPICallError as error:
            raise _translated(error, "writing", name) from error

    def read(self, name: str) -> bytes:
        """Return what was written. Raises FileNotFoundError or Transient."""
        try:
            return self._bucket.blob(self._path(name)).download_as_bytes(checksum="crc32c", timeout=TIMEOUT)
        except google.NotFound as error:
            raise FileNotFoundError(name) from error
        except google.GoogleAPICallError as error:
            raise _translated(error, "reading", name) from error

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def _translated(error: google.GoogleAPICallError, doing: str, name: str) -> Refused | Transient:
    passes = error.code in {408, 429} or (error.code or 0) >= 500
    if passes:
        return Transient(f"the result storage did not answer {doing} {name}", code="storage_unreachable")
    return Refused(
        f"the result storage refused {doing} {name}: {error.message}",
        code="storage_refused",
        next="The worker's account needs storage.objects.create and storage.objects.get on the bucket.",
    )
