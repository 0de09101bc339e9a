"""The `Policy` block: the policy as YAML, editable in the Prefect UI, checked when it is saved."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, field_validator

from bq_copilot import policy
from bq_copilot.policy_file import policy_from_yaml


class Policy(Block):
    """What may run, who approves it, and what it may cost."""

    _block_type_name = "Policy"
    _block_type_slug = "bq-copilot-policy"
    _description = "The copilot's policy: datasets, tags, limits, approval tiers, budgets (YAML)."

    text: str = Field(description="The policy as YAML.")

    @field_validator("text")
    @classmethod
    def _is_a_policy(cls, text: str) -> str:
        policy_from_yaml(text)
        return text

    def value(self) -> policy.Policy:
        """Return the typed policy."""
        return policy_from_yaml(self.text)
