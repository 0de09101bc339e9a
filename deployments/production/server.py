"""The checks of the Prefect server itself: does it answer, is it of our version, is it behind a login that fits.

Decides: what its answer means. Never does: send the login anywhere but to the server that PREFECT_API_URL names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from urllib.parse import urlsplit

from bq_copilot.errors import CopilotError, Refused
from bq_copilot.prefect_api import PrefectApi
from deployments.production.scene import LOOPBACK, Scene
from deployments.verdicts import Verdict, bad, good, skipped, warning

VERSION = "/admin/version"
SERIES = (3, 8)
"""The Prefect that this release is made for."""

CLOUD = "api.prefect.cloud"
LOGINS = ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")


def look(scene: Scene) -> Iterable[Verdict]:
    """Ask for the version, which takes the login; what the others rest on is noted in the scene."""
    url = scene.api.url
    try:
        theirs = scene.api.look(VERSION)
    except CopilotError as error:
        yield trouble(error, url, scene.environ)
        return
    cloud = urlsplit(url).hostname == CLOUD
    if not isinstance(theirs, str) and not (cloud and scene.api.look("/work_pools/filter", {}) is not None):
        yield trouble(Refused("", code="not_a_prefect_api"), url, scene.environ)
        return
    scene.answers = True
    yield release(theirs, version("prefect"), url) if isinstance(theirs, str) else _untold(url)
    yield login(_asks(url), url, scene.environ)


def _untold(url: str) -> Verdict:
    return skipped("server", f"{url} answers; Prefect Cloud tells no version")


def _asks(url: str) -> bool:
    """Say whether the server refuses somebody without a login."""
    stranger = PrefectApi(url)
    try:
        stranger.look(VERSION)
    except Refused as error:
        return error.code == "not_authorised"
    finally:
        stranger.close()
    return False


def trouble(error: CopilotError, url: str, environ: Mapping[str, str]) -> Verdict:
    """Return what keeps us from asking the server at all."""
    if error.code == "not_authorised":
        used = next((name for name in LOGINS if environ.get(name)), "")
        if used:
            mend = f"correct {used}: for a login it is user:password, as the server's PREFECT_SERVER_API_AUTH_STRING"
            return bad("login", f"the server does not take what {used} says (401)", mend)
        mend = "set PREFECT_API_AUTH_STRING to user:password, or PREFECT_API_KEY"
        return bad("login", "the server asks for a login (401), and this shell has none", mend)
    if error.code == "not_a_prefect_api":
        mend = "correct PREFECT_API_URL: it usually ends in /api"
        return bad("server", f"what answers at {url} is no Prefect API", mend)
    found = str(error)
    mend = "start the server and look at its log, or correct PREFECT_API_URL; runs go on and wait for it"
    return bad("server", found, mend)


def release(theirs: str, ours: str, url: str) -> Verdict:
    """Judge the server's version beside the client's."""
    found = f"{url} answers, Prefect {theirs}"
    wanted = ".".join(map(str, SERIES))
    if _numbers(theirs)[:2] != SERIES:
        mend = f"install Prefect {ours} on the server, `prefect server database upgrade -y`, start it again"
        return bad("server", f"{found}; this release needs {wanted}", mend)
    if _numbers(theirs) < _numbers(ours):
        mend = f"upgrade the server to {ours}: Prefect wants servers not to be older than clients"
        return warning("server", f"{found}; this client is {ours}", mend)
    return good("server", found)


def _numbers(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version; what comes after them (`.dev1`, `rc2`) does not matter here."""
    parts = text.split("+", maxsplit=1)[0].split(".")[:3]
    return tuple(int(part) for part in parts if part.isdigit())


def login(asks: bool, url: str, environ: Mapping[str, str]) -> Verdict:
    """Judge who may ask the server, and whether others can listen."""
    parts = urlsplit(url)
    far = parts.hostname not in LOOPBACK
    if not asks and far:
        mend = "set PREFECT_SERVER_API_AUTH_STRING=user:password on the server, PREFECT_API_AUTH_STRING on every host"
        return warning(
            "login", "anybody who reaches the API may start runs and edit blocks: it asks for no login", mend
        )
    if not asks:
        return good("login", "none is asked for; the API answers on this machine")
    if far and parts.scheme == "http":
        mend = "put TLS before the server, and https:// into PREFECT_API_URL"
        return warning("login", "the login is taken, and goes over the network in clear", mend)
    used = next((name for name in LOGINS if environ.get(name)), "the login")
    return good("login", f"{used} is taken, nobody else gets in")
