"""`bq-copilot view`: all runs in a browser, read only, on this machine only.

Edge module. It answers GET and HEAD for the list of runs and for the page of one, from the ledger and the stored texts;
it has no way to change anything. It binds to 127.0.0.1 and answers only to that name, so that a page from elsewhere
cannot read it through a name that points here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bq_copilot.checks import EVERY
from bq_copilot.errors import CopilotError
from bq_copilot.installation import Installation
from bq_copilot.journal import UnknownRun
from bq_copilot.page_shell import POLICY, esc, page
from bq_copilot.run_page import run_page
from bq_copilot.runs_page import Wanted, runs_page
from bq_copilot.trace_view import trace

HOST = "127.0.0.1"

HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Answer = tuple[HTTPStatus, str, bytes]
"""Status, content type, content."""

HTML, JSON = "text/html; charset=utf-8", "application/json"


class Pages:
    """What is answered to each address."""

    def __init__(self, at: Installation) -> None:
        self._at = at
        self._turn = threading.Lock()
        """The reader of a ledger belongs to one request at a time."""

    def answer(self, target: str) -> Answer:
        """Return the page of this address; an error is a page too."""
        parts = urlsplit(target)
        try:
            with self._turn:
                return self._route(parts.path, dict(parse_qsl(parts.query, max_num_fields=20)))
        except UnknownRun as error:
            return _told(HTTPStatus.NOT_FOUND, error)
        except CopilotError as error:
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, error)
        except ValueError:
            return _told(HTTPStatus.BAD_REQUEST, CopilotError("That address cannot be read."))

    def _route(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/":
            heads = self._at.reader.heads(limit=EVERY)
            return HTTPStatus.OK, HTML, runs_page(heads, Wanted.of(query), self._at.found).encode()
        folder, _, name = path.removeprefix("/").partition("/")
        if folder != "runs" or not name or "/" in name:
            return _told(HTTPStatus.NOT_FOUND, CopilotError("There is no such page."))
        if name.endswith(".json"):
            return HTTPStatus.OK, JSON, self._json(name.removesuffix(".json"))
        return HTTPStatus.OK, HTML, run_page(self._at, name, home="/").encode()

    def _json(self, run_id: str) -> bytes:
        events = self._at.reader.read(run_id)
        if not events:
            raise UnknownRun(f"There is no run {run_id}.")
        return json.dumps(trace(run_id, events, self._at.shelf)).encode()


def _told(status: HTTPStatus, error: CopilotError) -> Answer:
    words = f"<h1>{esc(error.message)}</h1><p>{esc(error.next)}</p>"
    body = f'<main id="main">{words}<p><a href="/">All runs</a></p></main>'
    return status, HTML, page("Not there", body).encode()


def _server(pages: Pages, port: int) -> ThreadingHTTPServer:
    class Requests(BaseHTTPRequestHandler):
        """One connection."""

        server_version = "bq-copilot"
        sys_version = ""
        timeout = 30

        def do_GET(self) -> None:
            self._put(with_body=True)

        def do_HEAD(self) -> None:
            self._put(with_body=False)

        def _put(self, *, with_body: bool) -> None:
            if self.headers.get("Host", "") not in {f"{name}:{port_of(server)}" for name in (HOST, "localhost")}:
                status, kind, body = _told(HTTPStatus.MISDIRECTED_REQUEST, CopilotError("This is not that host."))
            else:
                status, kind, body = pages.answer(self.path)
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: addresses hold what people search for."""

    server = ThreadingHTTPServer((HOST, port), Requests)
    server.daemon_threads = True
    return server


def port_of(server: ThreadingHTTPServer) -> int:
    """Return the port that the server has."""
    return int(server.socket.getsockname()[1])


@contextmanager
def serving(at: Installation, port: int = 0) -> Generator[str]:
    """Serve in the background and yield the address; port 0 takes a free one. Raises OSError for a taken port."""
    server = _server(Pages(at), port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{port_of(server)}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
