"""Where the results of steps are kept."""

from __future__ import annotations

from pathlib import Path

from prefect.settings import (
    PREFECT_DEFAULT_RESULT_STORAGE_BLOCK,
    PREFECT_LOCAL_STORAGE_PATH,
    temporary_settings,
)

from tasks.durable import results_folder


def test_a_folder_that_is_named_is_used_without_asking_the_server(tmp_path: Path) -> None:
    """Where none is named, or a block is, the answer is Prefect's."""
    assert results_folder() is None
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path}):
        assert results_folder() == tmp_path
        with temporary_settings({PREFECT_DEFAULT_RESULT_STORAGE_BLOCK: "gcs-bucket/results"}):
            assert results_folder() is None
