"""`begin.py MODULE [ARGUMENT …]`: run a module as `python -m` does, with a garbage collector that lets it load.

Decides: how often Python looks for garbage, for as long as the process lives. Why: loading the engine and the
warehouse's client makes a million objects that all stay, and by default the collector looks at young ones whenever
there are 700 more, and at all of them time and again: a fifth of the start. Nothing of the project is imported here,
so that it holds for everything that is.
"""

import gc
import os
import runpy
import sys

YOUNG, OLDER, OLD = 50_000, 20, 20


def look_seldom() -> None:
    """Set how often this process looks for garbage."""
    gc.set_threshold(YOUNG, OLDER, OLD)


def main() -> None:
    """Become the module."""
    look_seldom()
    del sys.argv[0]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()  # noqa: PTH109 - as text, as the interpreter does
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
