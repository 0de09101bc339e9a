"""How the supervisor learns that a process does its work, seen from outside.

Decides: healthy or not, for one look. Never does: retry, kill or log. Why this shape: a process that lives and
does not answer is as dead as one that has ended, so health is always an answer over the wire.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

_SECONDS = 1.5


class Probe(Protocol):
    """One look at one process."""

    def healthy(self, since: float) -> bool:
        """Whether the process that was started at Unix time `since` answers."""
        ...


@dataclass(frozen=True)
class Running:
    """Healthy as soon as it runs: for processes that answer nobody."""

    def healthy(self, since: float) -> bool:
        return since > 0


@dataclass(frozen=True)
class Http:
    """Healthy when a GET is answered with 200."""

    url: str

    def healthy(self, since: float) -> bool:
        return request("GET", self.url) is not None


@dataclass(frozen=True)
class Listening:
    """Healthy when something accepts connections on a Unix socket."""

    path: Path

    def healthy(self, since: float) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_SECONDS)
            try:
                probe.connect(str(self.path))
            except OSError:
                return False
        return True


@dataclass(frozen=True)
class Heartbeat:
    """Healthy when the Prefect server has a heartbeat of this worker, sent by the present process and fresh."""

    api_url: str
    work_pool: str
    worker: str
    fresh_seconds: float
    login: str = field(default="", repr=False)

    def healthy(self, since: float) -> bool:
        """A server that cannot be asked is the server's trouble, and no reason to restart a worker."""
        if request("GET", f"{self.api_url}/health") is None:
            return False
        last = self.last()
        return last is not None and last >= since - 1

    def last(self) -> float | None:
        """Unix time of the last heartbeat; None when there is none or nobody can be asked."""
        workers = request("POST", f"{self.api_url}/work_pools/{self.work_pool}/workers/filter", {}, self.login)
        mine = [w for w in workers or [] if w["name"] == self.worker and w.get("last_heartbeat_time")]
        return max((_unix(w["last_heartbeat_time"]) for w in mine), default=None)


def request(method: str, url: str, body: Any = None, login: str = "") -> Any:
    """The answer's JSON (True when it has none), or None when there is no 2xx answer in time."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    payload = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    try:
        connection.request(method, parts.path, payload, headers)
        answer = connection.getresponse()
        text = answer.read()
        return _json(text) if answer.status // 100 == 2 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _json(text: bytes) -> Any:
    try:
        return json.loads(text) if text else True
    except json.JSONDecodeError:
        return True


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
