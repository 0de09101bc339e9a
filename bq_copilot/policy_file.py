"""Policies as YAML text: the one place that turns a file's content into a `Policy`.

Decides nothing about policy. It stands outside `policy.py` so that the core needs no YAML library.
"""

from __future__ import annotations

from typing import cast

import yaml
from pydantic import ValidationError

from bq_copilot.errors import Refused
from bq_copilot.policy import Policy


def policy_from_yaml(text: str) -> Policy:
    """Return the policy in a YAML (or JSON) text; raises `Refused` and names the first wrong field."""
    try:
        loaded = cast("object", yaml.safe_load(text))
        return Policy.model_validate(loaded if loaded is not None else {})
    except yaml.YAMLError as error:
        raise Refused(f"the policy is not YAML: {error}", code="bad_policy") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the policy"
        raise Refused(f"policy field {where}: {first['msg']}", code="bad_policy") from error


def policy_to_yaml(policy: Policy) -> str:
    """Return the policy as YAML that `policy_from_yaml` reads back to an equal value."""
    return yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
