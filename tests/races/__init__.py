"""Races between processes, on SQLite and on PostgreSQL: exactly one winner, and every loser knows who and when."""
