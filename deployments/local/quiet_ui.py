"""The Prefect UI without its calls to an analytics company.

Decides: that the pages of the local stack load nothing from outside. Never does: change an installed file. Why this
shape: Prefect 3.8's UI fetches a configuration from its analytics provider on every page, and its settings switch
off the events only, not that call. The provider's key stands in the bundle; without a key the UI does not start the
provider's client. So the stack serves a copy of the bundle with an empty key, from the folder that Prefect's own
setting names, marked as Prefect marks the copies that it makes itself.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from deployments.local.files import exclusive
from deployments.local.sandbox_environment import cache_dir

_ANALYTICS_KEY = b"c97dd2acbf306ab7bf54aca0aeb7ffa1"
_BASE_PLACEHOLDER = b"/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER"
_BASE = "/v2"
_MARK = "UI_SERVE_BASE"
_SLOWEST_SECONDS = 60.0


def ui_folder() -> Path:
    """Where the stack's server finds its pages; value of PREFECT_SERVER_UI_STATIC_DIRECTORY."""
    return cache_dir() / f"prefect-ui-{version('prefect')}"


def place_ui() -> Path:
    """Make the copy on first use (0.2 s, 11 MB); the older UI beside it, which is quiet, is copied by the server."""
    made = ui_folder() / "v2"
    if not (made / _MARK).exists():
        ui_folder().mkdir(parents=True, exist_ok=True)
        with exclusive(ui_folder() / "lock", _SLOWEST_SECONDS), tempfile.TemporaryDirectory(dir=ui_folder()) as fresh:
            if not (made / _MARK).exists():
                _write(Path(fresh) / "v2")
                shutil.rmtree(made, ignore_errors=True)
                (Path(fresh) / "v2").replace(made)
    return ui_folder()


def _write(folder: Path) -> None:
    shutil.copytree(_installed_ui(), folder)
    for path in folder.rglob("*"):
        if path.suffix in {".js", ".html", ".css"}:
            text = path.read_bytes()
            quiet = text.replace(_BASE_PLACEHOLDER, _BASE.encode()).replace(_ANALYTICS_KEY, b"")
            if quiet != text:
                path.write_bytes(quiet)
    (folder / _MARK).write_text(f"v2:{version('prefect')}:{_BASE}")


def _installed_ui() -> Path:
    """Found without importing Prefect, which takes seconds."""
    spec = importlib.util.find_spec("prefect")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "server" / "ui-v2"
