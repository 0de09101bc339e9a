"""Google Cloud Storage over HTTP, as far as the official client needs it to keep and return objects.

Decides nothing about our code: it keeps generations, honours `ifGenerationMatch`, sends checksums, and can be told to
fail. The unmodified `google.cloud.storage` client talks to it, so what is tested is what is sent.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import google_crc32c

PART = re.compile(
    rb"--(?P<mark>[^\r\n]+)\r\n.*?\r\n\r\n(?P<meta>.*?)\r\n--(?P=mark)\r\n.*?\r\n\r\n(?P<data>.*)\r\n--", re.S
)


class Bucket:
    """Objects by name."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fails = 0
        """Status of every answer, 0 to work."""
        self.writes = 0
        self.url = ""

    def put(self, name: str, data: bytes, match: str | None) -> tuple[int, Any]:
        """Create an object, unless one is there and the writer wants none to be."""
        self.writes += 1
        if name in self.objects and match == "0":
            return 412, {"error": {"code": 412, "message": "conditionNotMet"}}
        self.objects[name] = data
        return 200, {"name": name, "bucket": "b", "generation": "1", "size": str(len(data)), "crc32c": checksum(data)}


def checksum(data: bytes) -> str:
    """Return CRC32C as GCS writes it."""
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


@contextmanager
def serving() -> Iterator[Bucket]:
    """Serve one bucket called `b` on a free port of this machine."""
    bucket = Bucket()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if bucket.fails:
                self._send(bucket.fails, json.dumps({"error": {"message": "told to fail"}}).encode())
                return
            found = PART.search(body)
            assert found is not None, "not a multipart upload"
            query = parse_qs(urlparse(self.path).query)
            match = query.get("ifGenerationMatch", [None])[0]
            status, said = bucket.put(json.loads(found["meta"])["name"], found["data"], match)
            self._send(status, json.dumps(said).encode())

        def do_GET(self) -> None:
            name = unquote(urlparse(self.path).path.rpartition("/o/")[2])
            if bucket.fails:
                self._send(bucket.fails, b"told to fail")
            elif name in bucket.objects:
                data = bucket.objects[name]
                self._send(200, data, {"x-goog-hash": f"crc32c={checksum(data)}"})
            else:
                self._send(404, b"No such object")

        def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    bucket.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield bucket
    finally:
        server.shutdown()
        server.server_close()
