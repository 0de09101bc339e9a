"""Writers on the local server's database queue up in its event loop, so that SQLite itself never makes it wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration

from deployments.local import api_server
from deployments.local.api_server import InTurn

WRITERS = 20


async def _write(database: AioSqliteConfiguration, number: int) -> None:
    """Read, give way to the others, and write what was read plus one, as many of the server's requests do."""
    session = await database.session(await database.engine())
    async with session, database.begin_transaction(session):
        seen = (await session.execute(sa.text("select coalesce(max(n), 0) from t"))).scalar_one()
        await asyncio.sleep(0.005 if number % 2 else 0)
        await session.execute(sa.text("insert into t (n) values (:n)"), {"n": seen + 1})


async def _all_at_once(path: Path) -> list[int]:
    database = InTurn(connection_url=f"sqlite+aiosqlite:///{path}")
    engine = await database.engine()
    async with engine.begin() as connection:
        await connection.execute(sa.text("create table t (n integer primary key)"))
    await asyncio.gather(*(_write(database, number) for number in range(WRITERS)))
    async with engine.connect() as connection:
        rows = list((await connection.execute(sa.text("select n from t order by n"))).scalars())
        waits = (await connection.execute(sa.text("pragma busy_timeout"))).scalar_one()
    await engine.dispose()
    return [*rows, waits]


def test_writers_that_read_first_come_one_after_another(tmp_path: Path) -> None:
    """None is turned away, none sees what another has not finished, and SQLite's own wait is a short one."""
    *rows, waits = asyncio.run(_all_at_once(tmp_path / "db.sqlite"))
    assert rows == list(range(1, WRITERS + 1))
    assert waits == api_server.LOCKED_SECONDS * 1000


def test_a_writer_within_a_writer_goes_on_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that waits for another of its own request does not wait for ever: SQLite says that it is locked."""
    monkeypatch.setattr(api_server, "TURN_SECONDS", 0.05)
    monkeypatch.setattr(api_server, "LOCKED_SECONDS", 0.05)

    async def nested() -> None:
        database = InTurn(connection_url=f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite'}")
        engine = await database.engine()
        session, inner = await database.session(engine), await database.session(engine)
        try:
            async with session, database.begin_transaction(session):
                await session.execute(sa.text("create table t (n integer)"))
                async with inner, database.begin_transaction(inner):
                    await inner.execute(sa.text("insert into t (n) values (1)"))
        finally:
            await engine.dispose()

    with pytest.raises(sa.exc.OperationalError, match="locked"):
        asyncio.run(nested())


def test_a_reader_within_a_writer_reads_at_once(tmp_path: Path) -> None:
    """What the writer's own request looks up beside it, or a task that it starts, does not wait for its end."""

    async def nested() -> list[int]:
        database = InTurn(connection_url=f"sqlite+aiosqlite:///{tmp_path / 'db.sqlite'}")
        engine = await database.engine()
        async with engine.begin() as connection:
            await connection.execute(sa.text("create table t (n integer)"))

        async def counted() -> int:
            async with await database.session(engine) as reader:
                return (await reader.execute(sa.text("select count(*) from t"))).scalar_one()

        session = await database.session(engine)
        try:
            async with session, database.begin_transaction(session):
                await session.execute(sa.text("insert into t (n) values (1)"))
                inside = [await counted(), await asyncio.create_task(counted())]
            return [*inside, await counted()]
        finally:
            await engine.dispose()

    assert asyncio.run(nested()) == [0, 0, 1]
