"""The login of the stack's Prefect API and UI, once one was asked for.

Decides: user name and password (a random one), and where they are kept: in a file that only its owner can read. Never
does: print it, or hand it to a process that does not talk to Prefect. Why this shape: the file is the switch, so that
every later `up`, every verb and every worker of the stack find the same answer.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from bq_copilot.errors import Refused
from deployments.local.home import Home
from deployments.local.records import read_record

USER = "admin"
PASSWORD_BYTES = 24


def login_of(home: Home) -> str:
    """`user:password`, empty when the stack asks for none. Raises Refused when others could read it."""
    try:
        status = home.login_file.stat()
    except FileNotFoundError:
        return ""
    if status.st_mode & 0o077:
        raise Refused(
            f"{home.login_file} can be read by others, so its password may be known to them.",
            code="login_exposed",
            next="Remove the file, stop the stack, and start it with `bq-copilot up --auth`: it makes a new one.",
        )
    return home.login_file.read_text().strip()


def login_for(api_url: str, environ: Mapping[str, str]) -> str:
    """What this server's API asks for: Prefect's own variable, else the login of the local stack that it belongs to."""
    home = Home.of(environ)
    stack = read_record(home)
    ours = stack is not None and stack.prefect_api_url == api_url
    return environ.get("PREFECT_API_AUTH_STRING", "") or (login_of(home) if ours else "")


def ask_for_login(home: Home, *, wanted: bool, running: bool) -> None:
    """Make the file, or remove it. Raises Refused when the running stack has it otherwise."""
    has = home.login_file.exists()
    if has == wanted:
        return
    if running:
        says = "asks for a login" if has else "asks for no login"
        raise Refused(
            f"The stack in {home.root} is running and {says}.",
            code="stack_runs",
            next="Stop it with `bq-copilot down`, then start it as you want it.",
        )
    if not wanted:
        home.login_file.unlink()
        return
    fd = os.open(home.login_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(f"{USER}:{secrets.token_urlsafe(PASSWORD_BYTES)}\n")
