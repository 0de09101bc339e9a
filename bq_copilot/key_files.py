"""Private keys of approvers as files, `<home>/keys/<name>.key`, readable by their owner only.

Edge module. It never prints or returns a private key but to the one caller that signs with it, never overwrites
one, and refuses a key that others on the machine could have read.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from bq_copilot import signatures
from bq_copilot.errors import Refused

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._+-]{0,99}")


def path_of(home: Path, name: str) -> Path:
    """Return where the person's key lies. Raises Refused (`bad_name`) for what is no name."""
    if not NAME.fullmatch(name):
        raise Refused(
            f"{name!r} is no name for a key.",
            code="bad_name",
            next="Use letters, digits, and the signs @ . _ + - only.",
        )
    return home / "keys" / f"{name}.key"


def create(home: Path, name: str) -> tuple[Path, str]:
    """Make a key that was not there; return its file and the public key. Raises Refused (`key_exists`)."""
    path = path_of(home, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private, public = signatures.new_key()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused(
            f"{path} exists already.", code="key_exists", next="Move it away first if you want a new one."
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(private)
        file.flush()
        os.fsync(file.fileno())
    return path, public


def read(home: Path, name: str) -> str:
    """Return the private key as PEM. Raises Refused (`no_key`, `key_exposed`)."""
    path = path_of(home, name)
    try:
        with path.open(encoding="ascii") as file:
            found = os.fstat(file.fileno())
            if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.geteuid():
                raise Refused(
                    f"Others than you can read {path}.",
                    code="key_exposed",
                    next=f"`chmod 600 {path}`, and make a new key if somebody may have read it.",
                )
            return file.read()
    except FileNotFoundError as error:
        raise Refused(
            f"There is no key of {name} in {path.parent}.",
            code="no_key",
            next=f"Make one with `bq-copilot keys create {name}`.",
        ) from error
