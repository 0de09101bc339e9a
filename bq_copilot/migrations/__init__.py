"""Alembic's scripts for the ledger: `env.py` says how they are run, `versions/` holds one for each revision."""
