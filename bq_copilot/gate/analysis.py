"""L1 to L4 over one text: lexical guard, shape, nodes, names, reads, costs, canonical text.

Decides nothing on its own: it runs the layers in order, gathers their findings, and stops only where a later layer
would have nothing to stand on. It is used twice for each statement, once on the text that came in and once on the
canonical text that will run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlglot import exp

from bq_copilot.catalog import Catalog
from bq_copilot.gate import costs, functions, grammar
from bq_copilot.gate.advice import finding
from bq_copilot.gate.lexer import LexicalFault, Token, meaningful, tokenize
from bq_copilot.gate.notation import plain_text, without_comments
from bq_copilot.gate.rendering import Unparsed, name_tables, parse, render, settle
from bq_copilot.gate.resolve import Resolver
from bq_copilot.gate.verdict import Finding, Ruling
from bq_copilot.gate.views import Views
from bq_copilot.policy import Policy

UNEXPECTED = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a defect in a parser or in this analysis can raise; it refuses, as everything does that is not understood."""


@dataclass(slots=True)
class Analysis:
    """What the layers found in one text."""

    findings: list[Finding] = field(default_factory=list[Finding])
    canonical: str = ""
    tables: frozenset[str] = frozenset()
    leaves: dict[str, exp.Expr | None] = field(default_factory=dict[str, "exp.Expr | None"])
    flowing: frozenset[str] = frozenset()
    output: tuple[str, ...] = ()
    functions: frozenset[str] = frozenset()
    commas: Counter[str] = field(default_factory=Counter[str])
    parameters: tuple[str, ...] = ()
    time_dependent: bool = False
    rewritten: bool = False

    @property
    def refused(self) -> bool:
        """Say whether any finding denies."""
        return any(f.severity is Ruling.DENY for f in self.findings)

    def deny(self, rule: str, key: str, token: Token | None = None, subject: str = "", **words: str) -> None:
        """Add a denial at a token."""
        line, column = (token.line, token.column) if token else (0, 0)
        found = finding(rule, key, Ruling.DENY, line, column, subject, words)
        if found not in self.findings:
            self.findings.append(found)


def analyse(sql: str, catalog: Catalog, policy: Policy, views: Views, *, comments: bool = True) -> Analysis:
    """Return what the layers find in a text, with or without comments allowed; it never raises for a bad text."""
    seen = Analysis()
    if len(sql) > policy.limits.characters:
        seen.deny("P20", "length", limit=str(policy.limits.characters))
        return seen
    try:
        tokens = tokenize(sql)
        if not comments and len(meaningful(tokens)) != len(tokens):
            seen.deny("P17", "engines", reason="the canonical text holds a comment")
        _look(seen, sql, meaningful(tokens), catalog, policy, views)
    except LexicalFault as fault:
        seen.findings.append(_lexical(fault))
    except Unparsed as fault:
        seen.deny("P17", "unparsed", reason=str(fault))
    except RecursionError:
        seen.deny("P17", "unparsed", reason="it is nested too deeply")
    except UNEXPECTED as fault:
        seen.deny("P17", "unavailable", reason=f"it failed inside the analysis ({type(fault).__name__})")
    return seen


def _look(  # every input of the analysis, none of them hidden in an object
    seen: Analysis, sql: str, tokens: list[Token], catalog: Catalog, policy: Policy, views: Views
) -> None:
    shape = grammar.shape_fault(tokens)
    if shape is not None:
        rule, key, reason, token = shape
        seen.deny(rule, key, token, reason, reason=reason)
    _check_calls(seen, tokens, policy)
    if shape is not None and shape[0] in ("P01", "P15"):
        return
    plain = plain_text(sql)
    seen.rewritten = plain != without_comments(sql, tokenize(sql))
    tree = parse(plain)
    if not isinstance(tree, grammar.ROOTS):
        seen.deny("P01", "statement", reason="this is not a query")
        return
    for node in grammar.unknown_nodes(tree):
        seen.deny("P17", "construct", subject=type(node).__name__)
    costs_limit = policy.limits.generated_elements
    resolver = Resolver(catalog, policy, views.fault)
    costs.check_generators(resolver.trace, tree, costs_limit)
    result = resolver.statement(tree)
    trace = resolver.trace
    seen.findings += [f for f in trace.findings if f not in seen.findings]
    seen.tables = frozenset(trace.tables)
    seen.leaves = dict(sorted(trace.leaves.items()))
    seen.flowing = frozenset[str]().union(*(value.leaves for _, value in result.columns))
    seen.output = tuple(name for name, _ in result.columns)
    seen.parameters = _parameters(tree)
    name_tables(trace.named)
    settle(tree)
    seen.canonical = render(tree)


def _check_calls(seen: Analysis, tokens: list[Token], policy: Policy) -> None:
    denied = {name.upper() for name in policy.denied_functions}
    found = list(functions.calls(tokens))
    for call in found:
        against = functions.rule_against(call.name)
        if against is None and call.name.removeprefix("SAFE.") in denied:
            against = ("P07", "function")
        if against is not None:
            seen.deny(against[0], against[1], call.token, call.name)
    seen.functions = frozenset(call.name for call in found)
    seen.commas = functions.argument_commas(tokens)
    seen.time_dependent = functions.bare_time_calls(tokens)


def _parameters(tree: exp.Expr) -> tuple[str, ...]:
    named = {f"@{node.name}" for node in tree.find_all(exp.Parameter)}
    positional = sum(1 for _ in tree.find_all(exp.Placeholder))
    return (*sorted(named), *("?" for _ in range(positional)))


def _lexical(fault: LexicalFault) -> Finding:
    key = {"P08": "system_variable", "P11": "time_travel", "P18": "legacy", "P19": "hint"}.get(fault.rule, "lexical")
    words = {"reason": fault.reason}
    return finding(fault.rule, key, Ruling.DENY, fault.line, fault.column, fault.subject, words)
