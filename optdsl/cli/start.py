"""Where the command starts: nothing but what has to come before the first import."""

from __future__ import annotations

import contextlib
import gc
import os
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NoReturn

COLLECT_AFTER = 100_000
"""Objects between two searches for circles. A compile makes many objects that stay and hardly a circle: with the
interpreter's 700, the searches took a tenth of its time."""


def start() -> NoReturn:
    """Runs the command line and ends the process with its exit status."""
    gc.set_threshold(COLLECT_AFTER)
    from optdsl.cli.main import main

    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # Without taking the interpreter apart, which takes as long as many a command.
    os._exit(status)
