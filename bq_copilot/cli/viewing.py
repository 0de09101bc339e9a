"""`view`: all runs in a browser, until Ctrl-C."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from bq_copilot.cli.options import Environment, Json
from bq_copilot.cli.output import put_json, say
from bq_copilot.client import Copilot
from bq_copilot.errors import Refused


def view(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; a free one by default.")] = 0,
    json: Json = False,
    environment: Environment = "default",
) -> None:
    """Show all runs in a browser, read only, on this machine only; until Ctrl-C."""
    from bq_copilot.viewer import serving  # noqa: PLC0415 - a server, wanted only here

    at = Copilot(environment=environment, via="cli").installation
    try:
        with serving(at, port) as address:
            if json:
                put_json({"url": address})
            else:
                say(f"{address}  (read only; Ctrl-C ends it)")
            threading.Event().wait()
    except OSError as error:
        raise Refused(
            f"Port {port} cannot be used: {error.strerror}.", code="port_taken", next="Name another one with --port."
        ) from error
    except KeyboardInterrupt:
        say("")
