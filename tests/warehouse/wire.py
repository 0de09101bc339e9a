"""The network as google-auth and the BigQuery client see it: every request is kept, with the account that signed it.

Stands in for two Google APIs at their official addresses: IAM Credentials gives a token that names its account (or
refuses), BigQuery answers the few calls of a test.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from google.oauth2.credentials import Credentials

from blocks import accounts

WORKER = "token-of-the-worker"
_IAM = "https://iamcredentials.googleapis.com/"
_TOKEN_OF = re.compile(_IAM + r"v1/projects/-/serviceAccounts/([^:]+):(\w+)$")


@dataclass
class Sent:
    """One request."""

    method: str
    url: str
    bearer: str
    body: Any

    @property
    def path(self) -> str:
        """The part after the API's version, without parameters."""
        return self.url.partition("/bigquery/v2")[2].partition("?")[0]


@dataclass
class Wire:
    """All that is sent, and what is answered."""

    sent: list[Sent] = field(default_factory=list[Sent])
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    """Accounts that nobody may act as, with the answer."""
    down: bool = False
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict[tuple[str, str], tuple[int, Any]])
    """BigQuery's answers by method and path."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        """Be the adapter of every session."""
        bearer = str(request.headers.get("Authorization", request.headers.get("authorization", "")))
        body = json.loads(request.body) if request.body else None
        one = Sent(str(request.method), str(request.url), bearer.removeprefix("Bearer "), body)
        asked = _TOKEN_OF.match(one.url)
        aside = not asked and one.url.startswith(_IAM)  # google-auth looks for regions, in a thread of its own
        if not aside:
            self.sent.append(one)
        if asked and self.down:
            raise requests.ConnectionError("no route to host")
        if asked:
            status, told = self._token(asked.group(1))
        else:
            status, told = (404, {}) if aside else self.answers[(one.method, one.path)]
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = status, request, one.url
        answer.headers["Content-Type"] = "application/json"
        answer._content = json.dumps(told).encode()
        return answer

    def _token(self, account: str) -> tuple[int, Any]:
        if account in self.refusals:
            status, message = self.refusals[account]
            return status, {"error": {"code": status, "message": message, "status": "X"}}
        return 200, {"accessToken": f"token-of-{account}", "expireTime": "2099-01-01T00:00:00Z"}

    @property
    def tokens(self) -> list[str]:
        """The accounts whose token was asked for, in order."""
        found = (_TOKEN_OF.match(s.url) for s in self.sent)
        return [m.group(1) for m in found if m]

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """BigQuery's requests: (method, path, who signed)."""
        return [(s.method, s.path, s.bearer) for s in self.sent if "/bigquery/v2" in s.url]


def wired(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Cut this process off from the network; its own credentials are a worker's."""
    wire = Wire()
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda _self, request, **more: wire.send(request))
    monkeypatch.setattr(accounts.google.auth, "default", lambda **_: (Credentials(WORKER), "p"))
    return wire
