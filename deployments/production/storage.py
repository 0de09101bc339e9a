"""The checks of where results lie: big texts of the ledger, and what Prefect keeps of finished steps.

Decides: whether this process could read and write there. Never does: write, not even a trial; rights are asked for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from prefect_gcp import GcsBucket

from blocks.bucket_blobs import SCHEME
from blocks.ledger_store import LedgerStore
from deployments.host import SHARED
from deployments.production.scene import Scene
from deployments.production.warehouse import SIGN_IN
from deployments.verdicts import Verdict, bad, good, skipped, warning

READ, WRITE = "storage.objects.get", "storage.objects.create"
LEAST_FREE_BYTES = 1_000_000_000


def look(scene: Scene) -> Iterable[Verdict]:
    """Look at the shelf; then at where Prefect keeps results."""
    where = scene.results
    if not where:
        yield skipped("results", "not looked at: nobody says where results lie")
    elif where.startswith(SCHEME):
        yield _bucket(scene, where)
    else:
        yield folder(Path(where))
    yield of_steps(scene.environ, scene)


def folder(path: Path) -> Verdict:
    """Judge a folder, as this process may use it."""
    if not path.is_dir():
        found = f"not looked at: there is no {path} on this machine; worker hosts must mount it"
        return skipped("results", found, "run doctor on a worker host")
    if not os.access(path, os.R_OK | os.X_OK):
        return bad(
            "results", f"this user cannot read {path}: answers with big results cannot be shown", f"ls -ld {path}"
        )
    if not os.access(path, os.W_OK):
        mend = f"ls -ld {path}   # the workers' user must own it; for looking only, this is enough"
        return warning("results", f"{path} can be read and not written by this user", mend)
    free = shutil.disk_usage(path).free
    if free < LEAST_FREE_BYTES:
        return bad("results", f"{path} has {free / 1e9:.1f} GB left", "make room: runs stop when nothing can be kept")
    return good("results", f"{path} can be read and written, {free / 1e9:.0f} GB free")


def _bucket(scene: Scene, where: str) -> Verdict:
    name = where.removeprefix(SCHEME).partition("/")[0]
    store = scene.blocks.get(LedgerStore)
    try:
        client = _client(store.bucket if isinstance(store, LedgerStore) else None)
        granted = client.bucket(name).test_iam_permissions([READ, WRITE], timeout=20)
    except (GoogleAuthError, OSError) as error:
        return skipped("results", f"not looked at: no token for {name} ({type(error).__name__})", SIGN_IN)
    except GoogleAPIError as error:
        return bad(
            "results", f"{name} does not answer ({getattr(error, 'code', None) or type(error).__name__})", _show(name)
        )
    return bucket(name, set(granted))


def _client(block: GcsBucket | None) -> Any:
    if block is not None:
        return block.gcp_credentials.get_cloud_storage_client()
    from google.cloud import storage  # noqa: PLC0415 - loads slowly

    return storage.Client()


def _show(name: str) -> str:
    return f"gcloud storage buckets describe {SCHEME}{name}"


def bucket(name: str, granted: set[str]) -> Verdict:
    """Judge a bucket by the rights that this process has there."""
    if READ not in granted:
        grant = f"gcloud storage buckets add-iam-policy-binding {SCHEME}{name}"
        mend = f"{grant} --member=serviceAccount:ACCOUNT --role=roles/storage.objectUser"
        return bad("results", f"this account cannot read {SCHEME}{name}", mend)
    if WRITE not in granted:
        mend = "the workers' account needs roles/storage.objectUser there; for looking only, this is enough"
        return warning("results", f"{SCHEME}{name} can be read and not written by this account", mend)
    return good("results", f"{SCHEME}{name} can be read and written")


def of_steps(environ: Mapping[str, str], scene: Scene) -> Verdict:
    """Judge where Prefect keeps what a step returned, as far as this shell says it."""
    local, block = (environ.get(name, "") for name in SHARED)
    if block:
        slug, _, name = block.partition("/")
        found = scene.api.block(slug, name) if scene.answers and name else None
        mend = f"prefect block create {slug}   # and call it {name}"
        return (
            good("step results", f"kept in the block {block}")
            if found
            else bad("step results", f"no block {block}", mend)
        )
    if local:
        return good("step results", f"kept in {local}") if Path(local).is_dir() else _unmounted(local)
    names = " or ".join(SHARED)
    return skipped("step results", f"not looked at: {names} is set on the worker hosts, which do not start without it")


def _unmounted(path: str) -> Verdict:
    return bad("step results", f"there is no {path} on this machine", "mount it: all hosts share it")
