"""Who the operating system says is at the keyboard."""

from __future__ import annotations

import getpass
import os


def local_user() -> str:
    """Return the name of the user that this process runs as; variables that anybody can set come last."""
    try:
        import pwd  # noqa: PLC0415 - not on Windows
    except ImportError:
        return getpass.getuser()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
