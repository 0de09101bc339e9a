"""Which TCP ports a stack uses: chosen once, kept, and moved only when somebody else has taken one.

Decides: one free port per service. Never does: listen on it. Why this shape: bookmarks of the UI and blocks that
carry an address stay right from one `up` to the next; the search starts at a number that follows from the folder,
so that two stacks seldom look at the same port.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import chain

from deployments.local.files import write_atomically
from deployments.local.home import Home

SERVICES = ("server", "sandbox", "model")
_FIRST, _LAST = 20_000, 32_000  # below the range that the kernel hands to outgoing connections


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def kept_ports(home: Home) -> dict[str, int]:
    """The ports chosen earlier; empty before the first `up`."""
    try:
        kept = json.loads(home.ports_file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return {name: port for name, port in kept.items() if name in SERVICES and isinstance(port, int)}


def choose_ports(home: Home) -> dict[str, int]:
    """The kept ports that are still free, and new ones for the rest; writes the choice down."""
    chosen = {name: port for name, port in kept_ports(home).items() if is_free(port)}
    candidates = _candidates(home)
    for name in SERVICES:
        if name not in chosen:
            chosen[name] = next(p for p in candidates if p not in chosen.values() and is_free(p))
    write_atomically(home.ports_file, json.dumps(chosen, indent=2))
    return chosen


def _candidates(home: Home) -> Iterator[int]:
    start = _FIRST + int(home.stack_id, 16) % (_LAST - _FIRST)
    return chain(range(start, _LAST), range(_FIRST, start))
