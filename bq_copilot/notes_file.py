"""Semantic notes as YAML text. Outside `notes.py`, so that the core needs no YAML library."""

from __future__ import annotations

from bq_copilot.notes import Notes
from bq_copilot.yaml_value import value_from_yaml


def notes_from_yaml(text: str) -> Notes:
    """Return the notes in a YAML (or JSON) text; raises `Refused` and names the first wrong field."""
    return value_from_yaml(Notes, text, "notes")
