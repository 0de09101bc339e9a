"""YAML text as a typed value: the one place where a policy or notes that a person wrote are read.

Decides nothing about the value. It stands apart so that the core needs no YAML library.
"""

from __future__ import annotations

from typing import TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from bq_copilot.errors import Refused

M = TypeVar("M", bound=BaseModel)


def value_from_yaml(model: type[M], text: str, name: str) -> M:
    """Return the value in a YAML (or JSON) text; raises `Refused` (`bad_<name>`) and names the first wrong field."""
    try:
        loaded = cast("object", yaml.safe_load(text))
        return model.model_validate(loaded if loaded is not None else {})
    except yaml.YAMLError as error:
        verb = "are" if name.endswith("s") else "is"
        raise Refused(f"the {name} {verb} not YAML: {error}", code=f"bad_{name}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or f"the {name}"
        raise Refused(f"{name} field {where}: {first['msg']}", code=f"bad_{name}") from error
