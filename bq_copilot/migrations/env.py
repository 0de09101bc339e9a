"""How Alembic runs the ledger's scripts: over the connection that it is given, else as SQL text."""

from __future__ import annotations

from alembic import context

from bq_copilot.ledger_schema import VERSION_TABLE

config = context.config
connection = config.attributes.get("connection")
if connection is None:
    context.configure(
        dialect_name=config.get_main_option("dialect"), version_table=VERSION_TABLE, literal_binds=True, as_sql=True
    )
else:
    context.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
