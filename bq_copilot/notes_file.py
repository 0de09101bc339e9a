"""Semantic notes as YAML text: the one place that turns a file's content into `Notes`.

Decides nothing about notes. It stands outside `notes.py` so that the core needs no YAML library.
"""

from __future__ import annotations

from typing import cast

import yaml
from pydantic import ValidationError

from bq_copilot.errors import Refused
from bq_copilot.notes import Notes


def notes_from_yaml(text: str) -> Notes:
    """Return the notes in a YAML (or JSON) text; raises `Refused` and names the first wrong field."""
    try:
        loaded = cast("object", yaml.safe_load(text))
        return Notes.model_validate(loaded if loaded is not None else {})
    except yaml.YAMLError as error:
        raise Refused(f"the notes are not YAML: {error}", code="bad_notes") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the notes"
        raise Refused(f"notes field {where}: {first['msg']}", code="bad_notes") from error
