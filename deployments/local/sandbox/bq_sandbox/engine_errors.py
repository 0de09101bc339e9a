"""DuckDB's exceptions as BigQuery's reasons and wording.

Decides that whatever a query author did wrong is `invalidQuery` (HTTP 400), never an internal error, and restores
the position in the author's own text where DuckDB speaks about the translated one.
"""

from __future__ import annotations

import re

import duckdb

from bq_sandbox.refusals import Refusal, invalid_query
from bq_sandbox.statements import place_of

_COLUMN = re.compile(r'(?:Referenced column|column named|does not have a column named) "([^"]+)"')
_CANDIDATES = re.compile(r'Candidate bindings: "([^"]+)"|Did you mean "([^"]+)"')
_MEMBER = re.compile(r'Could not find key "([^"]+)" in struct')
_FUNCTION = re.compile(r"(?:Scalar|Table|Aggregate)? ?Function with name \"?(\w+)\"? does not exist", re.I)
_INTERNAL = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException)


def refusal_for(error: duckdb.Error, text: str) -> Refusal:
    """The refusal that tells the author of `text` about an engine error."""
    message = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return Refusal("resourcesExceeded", "Resources exceeded during query execution", code=400)
    if isinstance(error, _INTERNAL):
        return Refusal("internalError", f"The sandbox's engine failed: {_first_line(message)}")
    if isinstance(error, duckdb.TransactionException):
        return invalid_query("Could not serialize access to table due to concurrent update")
    for pattern, wording in ((_COLUMN, "Unrecognized name: {}"), (_FUNCTION, "Function not found: {}")):
        found = pattern.search(message)
        if found:
            return _about(found.group(1), wording, message, text)
    member = _MEMBER.search(message)
    if member:
        return _about(member.group(1), "Field name {} does not exist in STRUCT", message, text)
    return invalid_query(_first_line(message))


def _about(word: str, wording: str, message: str, text: str) -> Refusal:
    name = word.rsplit(".", 1)[-1]
    near = _CANDIDATES.search(message)
    hint = f"; Did you mean {near.group(1) or near.group(2)}?" if near else ""
    return invalid_query(wording.format(name) + hint, *place_of(text, name))


def _first_line(message: str) -> str:
    line = message.strip().splitlines()[0]
    return re.sub(r"^(\w+ ){1,2}Error: ", "", line)
