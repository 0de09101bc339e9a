"""The few bytes between the launcher and the warm runner.

Decides: their form. Never does: fork or run. Why this shape: the launcher must not import the project, so it has
its own writer; here is the reader, and the constants are taken from the launcher so that they cannot differ.
"""

from __future__ import annotations

import array
import os
import socket
from dataclasses import dataclass

from deployments.warm import launch

LONGEST_BODY = 4_000_000
_RECEIVE_SECONDS = 2.0


class BadRequest(Exception):
    """What came over the socket is not a request of our launcher."""


@dataclass(frozen=True)
class Request:
    """What one run needs from its launcher."""

    python: str
    folder: str
    """Folder of the launcher's file: another checkout must not be served by this runner."""
    module: str
    cwd: str
    environ: dict[str, str]
    streams: tuple[int, int, int]
    """File descriptors of stdin, stdout and stderr, ours now."""

    def close(self) -> None:
        for fd in self.streams:
            os.close(fd)


def read_request(link: socket.socket) -> Request:
    """Read one request; BadRequest when it is not one, OSError when the launcher went away."""
    link.settimeout(_RECEIVE_SECONDS)
    header, fds = _header(link)
    length = int.from_bytes(header[4:], "big")
    if header[:4] != launch.MAGIC or len(fds) != len(launch.STREAMS) or length > LONGEST_BODY:
        for fd in fds:
            os.close(fd)
        raise BadRequest(f"{header!r} with {len(fds)} descriptors")
    texts = [os.fsdecode(part) for part in _exactly(link, length).split(b"\0")]
    link.settimeout(None)
    python, folder, module, cwd = texts[:4]
    environ = dict(text.split("=", 1) for text in texts[4:])
    return Request(python, folder, module, cwd, environ, (fds[0], fds[1], fds[2]))


def _header(link: socket.socket) -> tuple[bytes, list[int]]:
    room = array.array("i")
    data, ancillary, _flags, _address = link.recvmsg(8, socket.CMSG_LEN(len(launch.STREAMS) * room.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            room.frombytes(content[: len(content) - len(content) % room.itemsize])
    if len(data) < 8:
        data += _exactly(link, 8 - len(data))
    return data, list(room)


def _exactly(link: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = link.recv(count - len(parts))
        if not part:
            raise ConnectionResetError("the launcher went away in the middle of its request")
        parts += part
    return bytes(parts)


def message(kind: bytes, value: int = 0) -> bytes:
    """One message to the launcher."""
    return kind + value.to_bytes(launch.MESSAGE_BYTES - 1, "big", signed=True)
