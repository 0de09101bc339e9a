"""The gate: one statement in, one verdict out.

Decides the ruling from what the layers found, the tags and the policy, in the order deny, ask, allow. It is pure:
the same text, parameters, catalog and policy give the same verdict, wherever its engines run. It never allows on
one engine alone, and what it rules on is the canonical text, which was analysed a second time from its own bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from bq_copilot.canonical import digest, digest_bytes
from bq_copilot.catalog import Catalog
from bq_copilot.gate import functions, grammar
from bq_copilot.gate.advice import finding
from bq_copilot.gate.analysis import Analysis, analyse
from bq_copilot.gate.port import EngineMissing, EngineRefusal, SecondEngine, SecondReading, disagreement
from bq_copilot.gate.rendering import ENGINE
from bq_copilot.gate.trace import where
from bq_copilot.gate.verbatim import exchanged, shortened
from bq_copilot.gate.verdict import Facts, Finding, Parameter, Ruling, Verdict, ruling_of
from bq_copilot.gate.views import Views
from bq_copilot.policy import Effect, Policy

REVISION = 2
"""Raised whenever the same text could get another verdict from the same catalog and policy."""


class Gate:
    """The gate over one catalog and one policy; keep it, because it remembers expanded views."""

    def __init__(self, catalog: Catalog, policy: Policy, engines: Sequence[SecondEngine] = ()) -> None:
        self.catalog, self.policy, self._engines = catalog, policy, tuple(engines)
        self._views = Views(catalog, policy)

    def rule(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> Verdict:
        """Return the verdict on one statement; never raises for a bad statement."""
        first = analyse(sql, self.catalog, self.policy, self._views)
        findings = [*first.findings, *self._tag_findings(first), *_parameter_findings(first, parameters)]
        engines = (ENGINE,)
        if ruling_of(findings) is not Ruling.DENY:
            findings += self._same_again(first)
        if ruling_of(findings) is not Ruling.DENY:
            name, more = self._second(sql, first, parameters)
            engines, findings = (*engines, *name), [*findings, *more]
        facts = self._facts(first)
        findings += self._rule_findings(facts)
        return self._verdict(first, facts, findings, engines)

    def _verdict(self, seen: Analysis, facts: Facts, findings: list[Finding], engines: tuple[str, ...]) -> Verdict:
        text = seen.canonical
        return Verdict(
            ruling=ruling_of(findings, Ruling(self._default(facts))),
            policy_fingerprint=self.policy.fingerprint,
            gate_fingerprint=gate_fingerprint(),
            schema_fingerprint=self.catalog.fingerprint,
            engines=engines,
            sql=text,
            digest=digest_bytes(text.encode()) if text else "",
            facts=facts,
            findings=tuple(findings),
        )

    def _same_again(self, first: Analysis) -> list[Finding]:
        """Analyse the canonical text from its bytes: it must be its own canonical form and read the same."""
        again = analyse(first.canonical, self.catalog, self.policy, self._views, comments=False)
        refusals = [f for f in again.findings if f.severity is Ruling.DENY]
        if refusals:
            return refusals
        same = again.canonical == first.canonical and again.tables == first.tables
        calls = exchanged(first.functions, again.functions) | shortened(first.commas, again.commas)
        if same and again.leaves.keys() == first.leaves.keys() and not calls:
            return []
        return [_deny("P17", "engines", "the text does not keep its meaning when it is written again")]

    def _second(
        self, sql: str, first: Analysis, parameters: tuple[Parameter, ...]
    ) -> tuple[tuple[str, ...], list[Finding]]:
        tried: list[str] = []
        for engine in self._engines:
            try:
                if not first.rewritten:
                    engine.accept(sql)  # a rewritten text is not only parsed but read, below
                reading = engine.read(first.canonical, self.catalog, _types(first, parameters))
                original = engine.read(sql, self.catalog, _types(first, parameters)) if first.rewritten else reading
            except EngineMissing as missing:
                tried.append(f"{engine.name} missing ({missing})")
                continue
            except EngineRefusal as refusal:
                return (*tried, engine.name), [_deny("P17", "engines", str(refusal))]
            leaves = frozenset(first.leaves)
            loosely = SecondReading(original.tables, original.surely)
            reason = disagreement(reading, first.tables, leaves) or disagreement(loosely, first.tables, leaves)
            return (*tried, engine.name), [] if reason is None else [_deny("P17", "engines", reason)]
        return tuple(tried), [_deny("P17", "unavailable", "no second engine is available")]

    def _tags(self, leaf: str) -> frozenset[str]:
        """Return the policy's tags of a leaf; a view's leaf inherits from the leaves behind it."""
        name, path = ".".join(leaf.split(".")[:3]), ".".join(leaf.split(".")[3:])
        found = self._stored_tags(name, path)
        return found.union(*(self._stored_tags(*_split(deep)) for deep in self._behind(leaf)))

    def _behind(self, leaf: str) -> frozenset[str]:
        table = self.catalog.table(_split(leaf)[0])
        return self._views.below(leaf, table) if table is not None and table.view_sql else frozenset()

    def _stored_tags(self, name: str, path: str) -> frozenset[str]:
        members = [self.catalog.table(name)] if "*" not in name else list(self.catalog.members(name))
        raw = [t for table in members if table for leaf in table.leaves if leaf.path == path for t in leaf.tags]
        return self.policy.meaning(raw)

    def _tag_findings(self, seen: Analysis) -> list[Finding]:
        found: list[Finding] = []
        for leaf, node in seen.leaves.items():
            tags = self._tags(leaf)
            line, column = where(node) if tags else (0, 0)
            denied, asked = tags & set(self.policy.denied_tags), tags & set(self.policy.asked_tags)
            if denied:
                words = {"tags": ", ".join(sorted(denied))}
                found.append(finding("P04", "tagged", Ruling.DENY, line, column, leaf, words))
            elif asked:
                words = {"tags": ", ".join(sorted(asked))}
                found.append(finding("P04", "tagged_ask", Ruling.ASK, line, column, leaf, words))
        return found

    def _facts(self, seen: Analysis) -> Facts:
        behind = frozenset(deep for leaf in seen.leaves for deep in self._behind(leaf))
        below = [self._views.expand(t).tables for n in seen.tables if (t := self.catalog.table(n)) and t.view_sql]
        tagged = {leaf for leaf in seen.leaves if self._watched(leaf)}
        return Facts(
            tables=tuple(sorted(seen.tables.union(*below))),
            columns=tuple(sorted(seen.leaves.keys() | behind)),
            tagged_read=tuple(sorted(tagged)),
            tagged_in_output=any(self._watched(leaf) for leaf in seen.flowing),
            functions=tuple(sorted(seen.functions)),
            parameters=seen.parameters,
            time_dependent=seen.time_dependent,
            output=seen.output,
        )

    def _watched(self, leaf: str) -> bool:
        return bool(self._tags(leaf) & {*self.policy.denied_tags, *self.policy.asked_tags})

    def _rule_findings(self, facts: Facts) -> list[Finding]:
        found: list[Finding] = []
        for rule in self.policy.rules:
            subject = rule.matches(facts.tables, facts.columns, facts.functions)
            if subject is not None and rule.effect is not Effect.ALLOW:
                words = {"rule_name": rule.id, "text": rule.message}
                found.append(finding(rule.id, "rule", Ruling(rule.effect), 0, 0, subject, words))
        return found

    def _default(self, facts: Facts) -> str:
        granted = any(
            rule.effect is Effect.ALLOW and rule.matches(facts.tables, facts.columns, facts.functions)
            for rule in self.policy.rules
        )
        return "allow" if granted else self.policy.default


def refusal(catalog: Catalog, policy: Policy, reason: str) -> Verdict:
    """Return the verdict on a statement whose analysis did not end."""
    return Verdict(
        ruling=Ruling.DENY,
        policy_fingerprint=policy.fingerprint,
        gate_fingerprint=gate_fingerprint(),
        schema_fingerprint=catalog.fingerprint,
        engines=(ENGINE,),
        findings=(_deny("P17", "unavailable", reason),),
    )


@cache
def gate_fingerprint() -> str:
    """Return the digest over what this gate's code contributes to a verdict."""
    lists = [sorted(functions.PLAIN), sorted(functions.PREFIXED), sorted(grammar.STRUCTURE)]
    return digest({"revision": REVISION, "engine": ENGINE, "lists": lists})


def _split(leaf: str) -> tuple[str, str]:
    parts = leaf.split(".")
    return ".".join(parts[:3]), ".".join(parts[3:])


def _parameter_findings(seen: Analysis, parameters: tuple[Parameter, ...]) -> list[Finding]:
    if not parameters:
        return []
    given = {f"@{p.name}" for p in parameters if p.name}
    missing = [name for name in seen.parameters if name != "?" and name not in given]
    short = seen.parameters.count("?") > sum(1 for p in parameters if not p.name)
    wanted = missing or (["?"] if short else [])
    words = {"reason": "no value is given for it"}
    return [finding("P17", "unresolved", Ruling.DENY, 0, 0, name, words) for name in wanted]


def _types(seen: Analysis, parameters: tuple[Parameter, ...]) -> dict[str, str]:
    """Return the declared type of each named parameter that the statement uses."""
    return {p.name: p.type for p in parameters if f"@{p.name}" in seen.parameters}


def _deny(rule: str, key: str, reason: str) -> Finding:
    return finding(rule, key, Ruling.DENY, 0, 0, "", {"reason": reason})
