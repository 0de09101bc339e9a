"""Policies as YAML text, read and written. Outside `policy.py`, so that the core needs no YAML library."""

from __future__ import annotations

import yaml

from bq_copilot.policy import Policy
from bq_copilot.yaml_value import value_from_yaml


def policy_from_yaml(text: str) -> Policy:
    """Return the policy in a YAML (or JSON) text; raises `Refused` and names the first wrong field."""
    return value_from_yaml(Policy, text, "policy")


def policy_to_yaml(policy: Policy) -> str:
    """Return the policy as YAML that `policy_from_yaml` reads back to an equal value."""
    return yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
