"""The `Semantic Notes` block: what analysts know of the datasets, as YAML, checked when it is saved."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, field_validator

from bq_copilot import notes
from bq_copilot.notes_file import notes_from_yaml


class SemanticNotes(Block):
    """Metrics, synonyms, joins and warnings by dataset."""

    _block_type_name = "Semantic Notes"
    _block_type_slug = "bq-copilot-semantic-notes"
    _description = "What no schema says: metrics, synonyms, joins, warnings by dataset (YAML). Optional."

    text: str = Field(description="The notes as YAML.")

    @field_validator("text")
    @classmethod
    def _are_notes(cls, text: str) -> str:
        notes_from_yaml(text)
        return text

    def value(self) -> notes.Notes:
        """Return the typed notes."""
        return notes_from_yaml(self.text)
