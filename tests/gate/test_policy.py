"""Policy as data: order of rulings, tags, tiers, YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bq_copilot.catalog import Catalog
from bq_copilot.errors import Refused
from bq_copilot.gate import Gate
from bq_copilot.gate.engines import ZetaSqlEngine
from bq_copilot.policy import Approvals, Effect, Policy, Rule, TagRule, Tier
from bq_copilot.policy_file import policy_from_yaml, policy_to_yaml

SAFE = "SELECT country FROM `acme.shop.customers`"
LOCAL = Path(__file__).parents[2] / "deployments" / "local" / "policy.yaml"
RULES = st.builds(
    Rule,
    id=st.just("R1"),
    effect=st.sampled_from([Effect.ALLOW, Effect.ASK]),
    tables=st.lists(st.sampled_from(["*", "acme.*", "acme.shop.customers"]), min_size=1, max_size=2).map(tuple),
    columns=st.lists(st.sampled_from(["*", "*.email"]), max_size=1).map(tuple),
)


def gate_with(catalog: Catalog, second: ZetaSqlEngine, policy: Policy, **change: object) -> Gate:
    return Gate(catalog, policy.model_copy(update=change), [second])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(RULES, max_size=3).map(tuple))
def test_adding_allow_or_ask_rules_never_lifts_a_denial(
    catalog: Catalog, second: ZetaSqlEngine, policy: Policy, rules: tuple[Rule, ...]
) -> None:
    """Nothing that a policy file can add makes a denied statement pass."""
    assert gate_with(catalog, second, policy, rules=rules).rule("SELECT email FROM `acme.shop.customers`").denied


@pytest.mark.parametrize(
    ("effects", "ruling"),
    [
        ((Effect.ALLOW,), "allow"),
        ((Effect.ALLOW, Effect.ASK), "ask"),
        ((Effect.ASK, Effect.ALLOW, Effect.DENY), "deny"),
    ],
)
def test_deny_comes_before_ask_before_allow(
    catalog: Catalog, second: ZetaSqlEngine, policy: Policy, effects: tuple[Effect, ...], ruling: str
) -> None:
    """The order of rules in the file does not matter, their effect does."""
    rules = tuple(Rule(id=f"R{n}", effect=e, tables=("acme.shop.*",)) for n, e in enumerate(effects))
    assert gate_with(catalog, second, policy, rules=rules).rule(SAFE).ruling == ruling


def test_what_no_rule_expects_can_be_asked_about(catalog: Catalog, second: ZetaSqlEngine, policy: Policy) -> None:
    """With `default: ask`, only what an allow rule names passes without a person."""
    rules = (Rule(id="R1", effect=Effect.ALLOW, tables=("acme.shop.customers",)),)
    gate = gate_with(catalog, second, policy, default="ask", rules=rules)
    assert (gate.rule(SAFE).ruling, gate.rule("SELECT sku FROM `acme.shop.refunds`").ruling) == ("allow", "ask")


def test_a_tag_can_ask_instead_of_deny(catalog: Catalog, second: ZetaSqlEngine, policy: Policy) -> None:
    """The policy may let a person decide about a tag."""
    gate = gate_with(catalog, second, policy, denied_tags=(), asked_tags=("pii",))
    verdict = gate.rule("SELECT email FROM `acme.shop.customers`")
    assert (verdict.ruling, verdict.facts.tagged_in_output) == ("ask", True)


def test_an_unmapped_policy_tag_is_restricted() -> None:
    """A policy tag that the policy does not know means restricted; a label means nothing until it is mapped."""
    policy = Policy(
        tag_rules=(TagRule(raw="policy-tag:*/policyTags/7", tag="pii"), TagRule(raw="label:gdpr=*", tag="pii"))
    )
    assert policy.meaning(["policy-tag:t/policyTags/8"]) == {"restricted"}
    assert policy.meaning(["policy-tag:t/policyTags/7"]) == policy.meaning(["label:gdpr=yes"]) == {"pii"}
    assert policy.meaning(["label:team=web"]) == frozenset()


def test_every_field_is_in_the_fingerprint() -> None:
    """Any change of the policy changes its fingerprint."""
    base = Policy()
    assert len({base.fingerprint, Policy(strikes=4).fingerprint, Policy(price_per_tib=7).fingerprint}) == 3


def test_yaml_gives_back_the_same_policy() -> None:
    """A policy survives its file form, and the local stack's file is valid."""
    local = policy_from_yaml(LOCAL.read_text())
    assert policy_from_yaml(policy_to_yaml(local)) == local
    assert "bq-copilot-sandbox.shop" in local.allowed_datasets


@pytest.mark.parametrize("text", ["strikes: 0", "nonsense: 1", "limits: {characters: 99999}", ": :", "[1, 2]"])
def test_a_wrong_policy_file_is_refused(text: str) -> None:
    """A file that says something else than a policy does not load as a looser one."""
    with pytest.raises(Refused):
        policy_from_yaml(text)


def test_the_highest_matching_tier_is_asked_for() -> None:
    """Bytes and datasets raise the tier; without any tier one person is asked."""
    approvals = Approvals(
        tiers=(
            Tier(tier=0, approvers=0, up_to_bytes=100, always=True),
            Tier(tier=2, above_bytes=100),
            Tier(tier=3, datasets=("acme.fin*",), approvers=2, require_code=True),
        )
    )
    found = [
        approvals.tier_for(size, [name]).tier
        for size, name in ((1, "acme.web"), (101, "acme.web"), (1, "acme.finance"))
    ]
    assert found == [0, 2, 3]
    assert Approvals(tiers=()).tier_for(0, []).tier == 1
