"""The Prefect API as a step uses it: the address and the credentials of the process that the step runs in.

Decides nothing. Blocking calls: use it in a thread. Unreachable is a passing fault, which the step's task retries.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

from bq_copilot.prefect_api import PrefectApi, headers_of


@contextmanager
def prefect_api() -> Generator[PrefectApi]:
    """Yield the API of the server that runs this flow."""
    key, basic = PREFECT_API_KEY.value(), PREFECT_API_AUTH_STRING.value()
    said = {"PREFECT_API_KEY": key, "PREFECT_API_AUTH_STRING": basic}
    environ = {name: value.get_secret_value() for name, value in said.items() if value is not None}
    api = PrefectApi(PREFECT_API_URL.value() or "", headers_of(environ))
    try:
        yield api
    finally:
        api.close()
