"""The options and arguments that several commands share, each worded once."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON; its keys are documented and stable.")]
Environment = Annotated[
    str,
    typer.Option(envvar="BQ_COPILOT_ENVIRONMENT", help="Name of the blocks that describe the installation."),
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, r-….")]
Digest = Annotated[str, typer.Option(help="Decide only about the request with this digest (12 characters or more).")]
Code = Annotated[
    str,
    typer.Option(help="Your approval code from `bq-copilot sign`; without one you are this computer's user."),
]
