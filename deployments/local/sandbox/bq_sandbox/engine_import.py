"""The door to bqemulator: imports its SQL layer without the server that it belongs to.

Decides what is loaded. The translator's modules fetch their logger from a package that also pulls in a web
framework, telemetry and a metrics registry, more than a second of every start for log lines that nobody reads. Here
that package's name is given to a small module with a silent logger before the first import. All imports of
bqemulator go through this file; the exact version is pinned, so the shape it relies on cannot change unnoticed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Caller:
    """Who SESSION_USER() is; the two attributes that the translator reads."""

    principal: str
    is_authenticated: bool = True


class _Silent:
    """A logger that says nothing; errors reach the caller as exceptions."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def _stand_in() -> None:
    package = ModuleType("bqemulator.observability")
    package.__path__ = []
    module = ModuleType("bqemulator.observability.logging_")
    module.__dict__["get_logger"] = lambda *args, **kwargs: _Silent()
    sys.modules.setdefault(package.__name__, package)
    sys.modules.setdefault(module.__name__, module)


_stand_in()

from bqemulator.domain.errors import DomainError  # noqa: E402 - the stand-in must be first
from bqemulator.sql.builtin_udfs import register_builtin_udfs  # noqa: E402
from bqemulator.sql.translator import SQLTranslator  # noqa: E402

__all__ = ["Caller", "DomainError", "SQLTranslator", "register_builtin_udfs"]
