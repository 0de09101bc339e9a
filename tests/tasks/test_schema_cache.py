"""Descriptions of a wide catalog are kept for a moment: by age, by list, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from bq_copilot.catalog import Column, Table
from tasks.retrieval import SMALL
from tasks.schema_cache import SECONDS, Described

NOW = 1_700_000_000.0
NAMES = [f"p.wide.t{n:04}" for n in range(SMALL)]


class Source:
    """A warehouse that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rows = 1

    async def fetch(self, tables: list[str]) -> list[Table]:
        """Describe the tables as they are now."""
        self.asked += tables
        return [Table(id=t, rows=self.rows, columns=(Column(name="a", type="INT64"),)) for t in tables]


async def test_the_next_run_fetches_only_what_is_new(tmp_path: Path) -> None:
    """One new table of two hundred is one call; one that is gone is not there any more."""
    source = Source()
    first = await Described("w", clock=lambda: NOW, folder=tmp_path).of(NAMES, source.fetch)
    assert (len(first), len(source.asked)) == (SMALL, SMALL)
    source.asked.clear()
    listed = [*NAMES[1:], "p.wide.new"]
    second = await Described("w", clock=lambda: NOW, folder=tmp_path).of(listed, source.fetch)
    assert (source.asked, [t.id for t in second]) == (["p.wide.new"], listed)


async def test_a_description_that_is_too_old_is_fetched_anew(tmp_path: Path) -> None:
    """After five minutes every table is looked at again."""
    source, now = Source(), [1_000.0]
    await Described("w", folder=tmp_path, clock=lambda: now[0]).of(NAMES, source.fetch)
    source.asked.clear()
    source.rows, now[0] = 2, 1_000.0 + SECONDS + 1
    again = await Described("w", folder=tmp_path, clock=lambda: now[0]).of(NAMES, source.fetch)
    assert len(source.asked) == SMALL
    assert {t.rows for t in again} == {2}


async def test_another_principal_shares_nothing(tmp_path: Path) -> None:
    """What one may see is no evidence of what another may."""
    source = Source()
    await Described("w", "alice", clock=lambda: NOW, folder=tmp_path).of(NAMES, source.fetch)
    await Described("w", "bob", clock=lambda: NOW, folder=tmp_path).of(NAMES, source.fetch)
    assert len(source.asked) == 2 * SMALL


async def test_where_no_file_can_be_kept_everything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is an aid: without it everything is described as before."""
    source = Source()
    broken = tmp_path / "file"
    broken.write_text("no folder")
    assert len(await Described("w", clock=lambda: NOW, folder=broken / "x").of(NAMES, source.fetch)) == SMALL
    monkeypatch.setenv("BQ_COPILOT_SCHEMA_SECONDS", "0")
    source.asked.clear()
    for _ in range(2):
        await Described("v", clock=lambda: NOW, folder=tmp_path).of(NAMES, source.fetch)
    assert len(source.asked) == 2 * SMALL
