"""`python -m bq_copilot.cli`: the same as `bq-copilot`."""

from bq_copilot.cli import main

main()
