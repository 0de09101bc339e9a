"""L5: two engines, never one; disagreement refuses; a missing engine is said and replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bq_copilot.catalog import Catalog
from bq_copilot.gate import Gate
from bq_copilot.gate.engines import SqlfluffEngine, ZetaSqlEngine, messages, runtime
from bq_copilot.gate.engines.reads import EXISTS
from bq_copilot.gate.port import EngineMissing, EngineRefusal, SecondReading
from bq_copilot.policy import Policy

SQL = "SELECT sku FROM `acme.shop.refunds`"
TABLES = frozenset({"acme.shop.refunds"})
LEAVES = frozenset({"acme.shop.refunds.sku"})


@dataclass
class Stub:
    """A second engine that says what the test wants."""

    answer: SecondReading | Exception
    name: str = "stub 1"

    def accept(self, sql: str) -> None:
        return None

    def read(self, sql: str, catalog: Catalog, parameters: Mapping[str, str]) -> SecondReading:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        SecondReading(TABLES | {"acme.shop.orders"}, LEAVES, LEAVES),
        SecondReading(frozenset(), LEAVES, LEAVES),
        SecondReading(TABLES, LEAVES | {"acme.shop.refunds.amount"}, LEAVES | {"acme.shop.refunds.amount"}),
        SecondReading(TABLES, frozenset(), frozenset()),
        EngineRefusal("syntax error"),
    ],
)
def test_disagreement_refuses(catalog: Catalog, policy: Policy, answer: SecondReading | Exception) -> None:
    """A table or leaf that only one engine sees, or a refusal of the second one, denies the statement."""
    verdict = Gate(catalog, policy, [Stub(answer)]).rule(SQL)
    assert [(f.rule, f.severity) for f in verdict.findings] == [("P17", "deny")]


def test_agreement_allows_and_names_both_engines(catalog: Catalog, policy: Policy) -> None:
    """The verdict says which engines agreed."""
    verdict = Gate(catalog, policy, [Stub(SecondReading(TABLES, LEAVES, LEAVES))]).rule(SQL)
    assert verdict.ruling == "allow"
    assert [name.split()[0] for name in verdict.engines] == ["sqlglot", "stub"]


@pytest.mark.parametrize("engines", [(), (Stub(EngineMissing("broken")),)])
def test_one_engine_alone_never_allows(catalog: Catalog, policy: Policy, engines: tuple[Stub, ...]) -> None:
    """Without a second engine every statement is denied."""
    assert Gate(catalog, policy, engines).rule(SQL).denied


def test_a_missing_engine_is_said_and_replaced(catalog: Catalog, policy: Policy) -> None:
    """sqlfluff stands in for tables, and the verdict says that the analyzer is missing."""
    gate = Gate(catalog, policy, [Stub(EngineMissing("no compiled module"), "zetasql 0.1.5"), SqlfluffEngine()])
    verdict = gate.rule(SQL)
    assert verdict.ruling == "allow"
    assert "zetasql 0.1.5 missing (no compiled module)" in verdict.engines
    assert any(name.startswith("sqlfluff") for name in verdict.engines)


def test_the_stand_in_refuses_what_it_cannot_parse(catalog: Catalog) -> None:
    """sqlfluff is asked for one query over the same tables, and says no to anything else."""
    with pytest.raises(EngineRefusal):
        SqlfluffEngine().read("SELECT FROM WHERE", catalog, {})


def test_a_process_without_a_compiled_module_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compiling belongs to set-up; at run time a missing module is a missing engine, not a minute of waiting."""
    monkeypatch.setenv(runtime.CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EngineMissing):
        ZetaSqlEngine().start()


def test_a_module_that_others_can_write_is_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compiled code is machine code: a file with loose permissions is not trusted."""
    monkeypatch.setenv(runtime.CACHE_VARIABLE, str(tmp_path))
    target = runtime.cache_file()
    target.parent.mkdir(parents=True)
    target.write_bytes(b"not a module")
    target.chmod(0o666)
    with pytest.raises(EngineMissing, match="not there"):
        ZetaSqlEngine().start()


def test_the_original_text_must_parse_too(gate: Gate) -> None:
    """What the first engine would quietly repair is refused, because the second reads the original as well."""
    assert gate.rule('SELECT 1 AS one FROM "acme.shop.refunds"').denied


def test_the_number_for_exists_is_the_packages(second: ZetaSqlEngine) -> None:
    """The walk leaves EXISTS columns out by the package's own number."""
    enums = messages.load("wasi._pb2.zetasql.resolved_ast.resolved_ast_enums_pb2")
    assert enums.ResolvedSubqueryExprEnums.SubqueryType.Value("EXISTS") == EXISTS
