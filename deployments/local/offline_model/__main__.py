"""Starts the offline model and says when it is ready: `python -m deployments.local.offline_model --port 8090`.

Decides nothing. Binds to 127.0.0.1 only and prints one JSON line when it answers; logs go to stderr.
"""

import argparse
import json
import logging
import os
import socket

import uvicorn

from deployments.local.offline_model.server import MODEL, ConnectionCut, build_app


class _Announced(uvicorn.Server):
    """A server that prints its address once it accepts connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(json.dumps({"ready": True, "url": f"http://127.0.0.1:{port}"}), flush=True)


def _expected(record: logging.LogRecord) -> bool:
    """Drop the traceback of a connection that an armed fault closed."""
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionCut))


def main() -> None:
    """Read the arguments and serve until stopped."""
    parser = argparse.ArgumentParser(prog="offline_model", description="An OpenAI-compatible offline planner.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--model", default=MODEL, help="the model's name")
    arguments = parser.parse_args()
    key = os.environ.get("OFFLINE_MODEL_KEY", "")  # not an argument: those are visible to everybody on the machine
    config = uvicorn.Config(
        build_app(arguments.model, key),
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    logging.getLogger("uvicorn.error").addFilter(_expected)
    _Announced(config).run()


if __name__ == "__main__":
    main()
