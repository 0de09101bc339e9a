"""The second engine: Google's analyzer on the canonical text.

Decides nothing about policy: it analyses with BigQuery's product mode and reports what was read. It keeps one
instance per process, registers each catalog once, and starts over after a trap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from bq_copilot.catalog import Catalog
from bq_copilot.gate.engines import messages
from bq_copilot.gate.engines.reads import Walk
from bq_copilot.gate.engines.runtime import Runtime
from bq_copilot.gate.engines.schema import declared, named_in, translated
from bq_copilot.gate.lexer import TokenKind, tokenize, words
from bq_copilot.gate.port import EngineMissing, EngineRefusal, SecondReading

NOT_QUERIES = words(
    """
    SQL_GRAPH PROTO REMOTE CREATE ALTER DML DDL ANON MEASURE MATCH_RECOGNIZE MODEL SCRIPT TOKENIZED
    ENCRYPTION PRIVACY AGGREGATION_THRESHOLD RECURSIVE LOAD_DATA FOREIGN PRIMARY IDENTITY GENERATED
    ROW_ACCESS
    """
)
"""Features that no read-only query needs: leaving them out refuses more, and makes each call cheaper."""
SMALL_CATALOG = 200
"""Up to this many tables the analyzer is given the whole catalog once; above, the part that a text names."""
MOST_CATALOGS = 64
GUESSES = 8
CONFLICT = re.compile(r"Undeclared parameter '(\w+)' is used assuming different types \((\w+) vs")
VERSION = version("zetasql")
PREFIX = "ZetaSqlLocalService_"


class ZetaSqlEngine:
    """Google's analyzer behind the second engine's port."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._registered: dict[str, int] = {}
        self._language: Any = None

    @property
    def name(self) -> str:
        """Name and version."""
        return f"zetasql {VERSION}"

    def start(self) -> None:
        """Load the analyzer now; raises `EngineMissing`."""
        full = len(self._registered) > MOST_CATALOGS
        if self._runtime is None or not self._runtime.alive or full:
            self._runtime, self._registered, self._language = Runtime(), {}, None

    def accept(self, sql: str) -> None:
        """Parse a text; raises `EngineRefusal` or `EngineMissing`."""
        self.start()
        request: Any = messages.service().ParseRequest(sql_statement=sql)
        request.options.CopyFrom(self._features())
        self._call("Parse", request, messages.service().ParseResponse)

    def read(self, sql: str, catalog: Catalog, parameters: Mapping[str, str]) -> SecondReading:
        """Return what the text reads; raises `EngineRefusal` or `EngineMissing`."""
        self.start()
        text, types = _family_names(sql, catalog), dict(parameters)
        for _ in range(GUESSES):
            try:
                return Walk(catalog).statement(self._analyse(text, catalog, types))
            except EngineRefusal as refusal:
                guess = CONFLICT.search(str(refusal))
                if guess is None or guess[1] in types:
                    raise
                types[guess[1]] = guess[2]
        raise EngineRefusal("the types of the parameters are not clear")

    def _analyse(self, sql: str, catalog: Catalog, types: Mapping[str, str]) -> Any:
        request: Any = messages.service().AnalyzeRequest(
            registered_catalog_id=self._catalog_id(_part(sql, catalog)), sql_statement=sql
        )
        request.options.language_options.CopyFrom(self._features())
        request.options.allow_undeclared_parameters = True
        for name, kind in types.items():
            request.options.query_parameters.add(name=name.lower()).type.CopyFrom(declared(kind))
        if "?" in sql and any(t.text == "?" for t in tokenize(sql)):
            request.options.parameter_mode = 1
        answer: Any = self._call("Analyze", request, messages.service().AnalyzeResponse)
        return answer.resolved_statement

    def _catalog_id(self, catalog: Catalog) -> int:
        key = catalog.fingerprint
        if key not in self._registered:
            request = messages.service().RegisterCatalogRequest(simple_catalog=translated(catalog, self._features()))
            answer: Any = self._call("RegisterCatalog", request, messages.service().RegisterResponse)
            self._registered[key] = answer.registered_id
        return self._registered[key]

    def _features(self) -> Any:
        if self._language is None:
            request = messages.service().LanguageOptionsRequest(maximum_features=True)
            language: Any = self._call("GetLanguageOptions", request, messages.options().LanguageOptionsProto)
            language.product_mode = messages.names().ProductMode.Value("PRODUCT_EXTERNAL")
            kept = [f for f in language.enabled_language_features if _wanted(messages.names().LanguageFeature.Name(f))]
            del language.enabled_language_features[:]
            language.enabled_language_features.extend(kept)
            self._language = language
        return self._language

    def _call(self, name: str, request: Any, answer: Any) -> Any:
        if self._runtime is None:
            raise EngineMissing("the analyzer is not loaded")
        return self._runtime.call(PREFIX + name, request, answer)


def _part(sql: str, catalog: Catalog) -> Catalog:
    return catalog if len(catalog.tables) <= SMALL_CATALOG else named_in(sql, catalog)


def _wanted(feature: str) -> bool:
    return not any(word in feature for word in NOT_QUERIES)


def _family_names(sql: str, catalog: Catalog) -> str:
    """Write each wildcard name as its family's name, which is the relation that the analyzer knows."""
    if "*" not in sql:
        return sql
    pieces: list[str] = []
    end = 0
    for token in tokenize(sql):
        family = catalog.family(token.text.strip("`")) if token.kind is TokenKind.NAME and "*" in token.text else None
        if family is not None:
            pieces += [sql[end : token.start], f"`{family.pattern}`"]
            end = token.start + len(token.text)
    return "".join([*pieces, sql[end:]])
