"""Servers on this machine that a notification may go to: a webhook over HTTP and a mail server over SMTP.

Both hear a real conversation and remember it; both can be told to refuse, or to say nothing at all. Why not a package:
a mail server that stops in the middle of a conversation is what these tests are about, and one that takes a message is
twenty lines.
"""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Webhook:
    """What a webhook heard, and the status of its next answers."""

    address: str = ""
    heard: list[tuple[str, str]] = field(default_factory=list)
    """Path and body of each request."""
    answers: list[int] = field(default_factory=list)
    silent: threading.Event | None = None
    """While it is not set, nothing is answered."""


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Listen on a free port of 127.0.0.1."""
    found = Webhook()

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.heard.append((self.path, body))
            if silent := found.silent:
                silent.wait(60)
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    with _serving(server, found) as port:
        found.address = f"http://127.0.0.1:{port}"
        yield found


@contextmanager
def _serving(server: socketserver.TCPServer, ears: Webhook | Mailbox) -> Iterator[int]:
    """Let a server answer, give its port, and end it, whoever it still keeps waiting."""
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        if ears.silent:
            ears.silent.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mailbox:
    """What a mail server took, who logged in, and how it answers."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refusal: str = ""
    """What it says to each recipient instead of yes."""
    silent: threading.Event | None = None
    """While it is not set, it does not even greet."""


class _Conversation(socketserver.StreamRequestHandler):
    """One client: the commands that a client needs to hand over a message."""

    box: Mailbox

    def handle(self) -> None:
        if self.box.silent:
            self.box.silent.wait(60)
            return
        self._say("220 mail.example ready")
        while line := self.rfile.readline().decode().strip():
            word = line.partition(" ")[0].upper()
            self._say(*self._answer(word, line))
            if word == "DATA":
                self._take()
            if word == "QUIT":
                return

    def _answer(self, word: str, line: str) -> tuple[str, ...]:
        match word:
            case "EHLO":
                return ("250-mail.example", "250 AUTH PLAIN")
            case "AUTH":
                said = base64.b64decode(line.rsplit(maxsplit=1)[-1]).decode()
                self.box.logins.append(said.replace("\0", " ").strip())
                return ("235 welcome",)
            case "RCPT":
                self.box.recipients.append(line.partition(":")[2].split()[0])
                return (self.box.refusal or "250 yes",)
            case "DATA":
                return ("354 go on, end with a dot",)
            case "QUIT":
                return ("221 bye",)
            case _:
                return ("250 yes",)

    def _take(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        self.box.taken.append(message_from_bytes(b"".join(lines), policy=policy.default))  # type: ignore[arg-type]
        self._say("250 taken")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Listen on a free port of 127.0.0.1."""
    box = Mailbox()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), type("Conversation", (_Conversation,), {"box": box}))
    with _serving(server, box) as box.port:
        yield box
