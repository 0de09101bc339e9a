"""The shelf on a bucket: written once under its digest, read back whole, by the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from prefect_gcp import GcpCredentials, GcsBucket
from pydantic import SecretStr

from blocks.bucket_blobs import BucketBlobs
from blocks.ledger_store import LedgerStore
from bq_copilot.errors import Damaged, Refused, Transient
from bq_copilot.shelf import Shelf
from tests.storage.bucket_double import Bucket, serving

LONG = "long text " * 500


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """A bucket of its own for each test."""
    with serving() as found:
        yield found


@pytest.fixture
def client(bucket: Bucket) -> Any:
    """The official client, pointed at it."""
    options = {"api_endpoint": bucket.url}
    return storage.Client(project="p", credentials=AnonymousCredentials(), client_options=options)


def test_a_long_text_comes_back_whole(bucket: Bucket, client: Any) -> None:
    """It lies in the folder, under its digest."""
    shelf = Shelf(BucketBlobs("gs://b/copilot", client))
    stored = shelf.put(LONG)
    assert shelf.get(stored) == LONG
    assert list(bucket.objects) == [f"copilot/shelf/{stored.sha256.removeprefix('sha256:')}"]


def test_a_second_writer_of_the_same_text_succeeds_and_replaces_nothing(bucket: Bucket, client: Any) -> None:
    """Two hosts may store the same page at the same moment."""
    one, two = (Shelf(BucketBlobs("gs://b", client)) for _ in range(2))
    assert one.put(LONG) == two.put(LONG)
    assert bucket.writes == 2 and len(bucket.objects) == 1


def test_what_is_missing_or_altered_is_damage(bucket: Bucket, client: Any) -> None:
    """A reader never gets a text that is not the one that was recorded."""
    shelf = Shelf(BucketBlobs("gs://b", client))
    stored = shelf.put(LONG)
    name = next(iter(bucket.objects))
    bucket.objects[name] = b"another text"
    with pytest.raises(Damaged):
        shelf.get(stored)
    del bucket.objects[name]
    with pytest.raises(Damaged, match="missing"):
        shelf.get(stored)


def test_a_refusal_names_the_rights_that_are_missing(bucket: Bucket, client: Any) -> None:
    """403 is no passing fault."""
    bucket.fails = 403
    with pytest.raises(Refused, match="refused writing") as caught:
        Shelf(BucketBlobs("gs://b", client)).put(LONG)
    assert "storage.objects.create" in caught.value.next


def test_an_overloaded_storage_is_a_passing_fault() -> None:
    """The step is tried again."""

    class Blob:
        def upload_from_string(self, *_: Any, **__: Any) -> None:
            from google.api_core.exceptions import ServiceUnavailable

            raise ServiceUnavailable("later")

    class Client:
        def bucket(self, _name: str) -> Any:
            return self

        def blob(self, _name: str) -> Blob:
            return Blob()

    with pytest.raises(Transient):
        BucketBlobs("gs://b", Client()).write("n", b"x")


def test_the_block_opens_a_bucket_with_the_bucket_block_s_credentials(
    bucket: Bucket, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`results: gs://…` and a `GcsBucket` beside it are all that an operator writes."""
    monkeypatch.setattr("google.auth.default", lambda **_: (AnonymousCredentials(), "p"))
    monkeypatch.setattr(GcpCredentials, "get_cloud_storage_client", lambda _self: client)
    block = GcsBucket(bucket="b", gcp_credentials=GcpCredentials(project="p"))
    store = LedgerStore(url=SecretStr("sqlite://"), results="gs://b/copilot", bucket=block)
    shelf = store.open_shelf()
    assert shelf.get(shelf.put(LONG)) == LONG and len(bucket.objects) == 1


def test_an_address_that_names_no_bucket_is_refused() -> None:
    """The message shows how to write it."""
    with pytest.raises(Refused, match="is no bucket"):
        BucketBlobs("gs://", None)
