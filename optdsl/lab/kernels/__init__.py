"""Kernels of our own, booted as ordinary processes: built from Debian's source, kept in a cache, gone after each run.

    from optdsl.lab.kernels import boot, ensure_built

    kernel = ensure_built(patches=True, debug=False)
    done = boot(kernel, ["ping", "-c", "1", "127.0.0.1"], timeout=60)
    assert done.status == 0, done.log

What there is:

    ensure_built(patches=True, debug=False, *, jobs=None, tell=silent) -> Kernel
    find_built(patches=True, debug=False) -> Kernel | None      without building
    boot(kernel, command, *, time="simulated", results=None, timeout=None, memory_mb=1024, environment=None,
         cwd=None, stdin=b"", stdout=None, stderr=None) -> Finished
    Finished(status, stdout, stderr, log, seconds)              stdout and stderr are bytes, log is text
    problems(log) -> list[str]                                  warnings, lock reports, leaks: what no test may leave
    Kernel(folder, release, patches, debug)                     with .binary and .config

Errors are `LabKernelError`, a `LabError` with a sentence and remarks. A command sees the host's files, may write
anywhere (to memory), and leaves only what it writes below `results`. `time="simulated"` makes the clock advance when
nothing runs, to the next timer; `time="real"` is the host's clock.
"""

from __future__ import annotations

from optdsl.lab.kernels.boot import Finished, boot
from optdsl.lab.kernels.build import ensure_built, find_built
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.lab.kernels.kernel import Kernel
from optdsl.lab.kernels.log import problems

__all__ = ["Finished", "Kernel", "LabKernelError", "boot", "ensure_built", "find_built", "problems"]
