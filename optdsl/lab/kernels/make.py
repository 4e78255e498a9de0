"""The steps of a build, each with the programs that it calls: tar, patch, make, strip."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from optdsl.lab.kernels import source
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.lab.kernels.recipe import options

_STEP: Final = re.compile(r"^  [A-Z][A-Z0-9_ ]*  ?\S")
"""A line of `make` that says what it does: `  CC      net/mptcp/protocol.o`."""
_ERROR: Final = re.compile(r"(?:\berror\b|\*\*\*|undefined reference|No such file|Killed|No space left)", re.IGNORECASE)
_MOST_LINES: Final = 20
_ENVIRONMENT: Final = {
    # The same source makes the same kernel, whoever builds it, when and where.
    "KBUILD_BUILD_TIMESTAMP": "@0", "KBUILD_BUILD_USER": "optdsl", "KBUILD_BUILD_HOST": "lab", "LC_ALL": "C",
    "KCONFIG_NOTIMESTAMP": "1",
}  # fmt: skip
_UNWANTED: Final = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARCH", "CROSS_COMPILE", "KCFLAGS", "CFLAGS", "LDFLAGS", "O")


class Make:
    """A tree in which one kernel is made. Every step raises LabKernelError with what the program said."""

    def __init__(self, tree: Path, jobs: int) -> None:
        self.tree, self.jobs = tree, jobs
        kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
        # ccache would tell trees apart by their folder, which has another name each time.
        cached = {"CCACHE_NOHASHDIR": "1", "CCACHE_BASEDIR": str(tree)}
        self.environment = {**kept, **_ENVIRONMENT, **cached}

    def unpack(self, tarball: Path) -> None:
        self.tree.mkdir()
        command = ["tar", "-xJf", str(tarball), "-C", str(self.tree), "--strip-components=1", *source.UNPACK]
        self._run("the source cannot be unpacked", command)

    def apply(self, patch: Path) -> None:
        how = ["--forward", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-"]
        self._run(f"{patch.name} does not apply", ["patch", "-p1", *how, "-i", str(patch.resolve())])

    def configure(self, config: str) -> None:
        """The smallest configuration with these options, each of which Kconfig has to take."""
        wanted = self.tree / "lab.config"
        wanted.write_text(config, encoding="utf-8")
        self._run("the kernel cannot be configured", [*self._make(), f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig"])
        taken = set((self.tree / ".config").read_text(encoding="utf-8").splitlines())
        if refused := [line for line in options(config) if line not in taken]:
            raise LabKernelError(f"this kernel does not take {', '.join(refused)}")

    def compile(self, tell: Callable[[int], None]) -> None:
        """Builds user-mode Linux; `tell` gets the number of steps that have been done."""
        self._run("the kernel cannot be compiled", [*self._make(), f"-j{self.jobs}", "linux"], tell)

    def keep(self, result: Path) -> None:
        """Puts what is needed later into a new folder: the kernel without DWARF, its configuration, its release."""
        result.mkdir()
        self._run("the kernel cannot be stripped",
                  ["strip", "--strip-debug", "-o", str(result / "linux"), str(self.tree / "linux")])  # fmt: skip
        shutil.copyfile(self.tree / ".config", result / "config")
        shutil.copyfile(self.tree / "include" / "config" / "kernel.release", result / "release")

    def _make(self) -> list[str]:
        compiler = ["CC=ccache gcc"] if shutil.which("ccache") else []
        return ["make", "-C", str(self.tree), "ARCH=um", *compiler]

    def _run(self, failure: str, command: Sequence[str], tell: Callable[[int], None] | None = None) -> None:
        """Runs a program and counts its steps. What it started ends with it, also when this is interrupted."""
        lines: deque[str] = deque(maxlen=4000)
        done = 0
        with subprocess.Popen(
            command, cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    lines.append(line.rstrip())
                    if tell is not None and _STEP.match(line):
                        done += 1
                        tell(done)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode != 0:
            raise LabKernelError(failure, *(("note", line) for line in _telling(lines, self.tree)))


def _telling(lines: Sequence[str], tree: Path) -> list[str]:
    """The lines of a failed program's output that say why, or its last ones."""
    found = [line for line in lines if _ERROR.search(line)] or list(lines)[-_MOST_LINES:]
    return [line.replace(f"{tree}/", "") for line in found[:_MOST_LINES]]
