"""Runs selftest scripts in the lab, and remembers what they printed for as long as kernel and scripts are the same."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Final

from kernel_selftests import outcomes, sources
from kernel_selftests.outcomes import Results
from kernel_selftests.runs import Run
from optdsl.lab.kernels import Finished, Kernel, boot, problems
from optdsl.record import record

_ENVIRONMENT: Final = {
    "LC_ALL": "C",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    # A test that is known to fail now and then counts as any other: in simulated time nothing is now and then.
    "SELFTESTS_MPTCP_LIB_OVERRIDE_FLAKY": "1",
}


@record
class Told:
    """What came of a run: results, how long it took on the host, and the output to look at."""

    results: Results
    seconds: float
    output: str


def run(kernel: Kernel, what: Run) -> Told:
    """Boots the kernel for one run. Raises LabKernelError if it cannot be started or the scripts are not there."""
    folder = sources.folder()
    done = boot(kernel, what.command, time=what.time, timeout=what.limit, cwd=folder, environment=_ENVIRONMENT)
    stdout = done.stdout.decode(errors="replace")
    return Told(outcomes.read(stdout, done.status, problems(done.log)), done.seconds, _story(done))


def _story(done: Finished) -> str:
    """Output, and the kernel's log where that tells of something."""
    text = f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}\nstatus {done.status}\n"
    return f"{text}\n{done.log}" if done.crashed or problems(done.log) else text


class Memory:
    """The outputs of one kernel, in the cache."""

    def __init__(self, kernel: Kernel) -> None:
        with kernel.binary.open("rb") as binary:
            digest = hashlib.file_digest(binary, "sha256").hexdigest()[:12]
        self.folder = sources.cache_folder() / f"outputs-{sources.folder().parent.name}-{digest}"

    def recall(self, what: Run) -> Told | None:
        """What the same run came to before; a script that did not come to its end is tried anew."""
        try:
            told = json.loads(self._file(what).read_text())
            if told["command"] != list(what.command) or outcomes.WHOLE in told["results"]:
                return None
            return Told(told["results"], told["seconds"], told["output"])
        except (OSError, ValueError, KeyError):
            return None

    def keep(self, what: Run, told: Told) -> Path:
        """Writes a file, as a whole or not at all. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        values = {
            "command": what.command,
            "results": told.results,
            "seconds": round(told.seconds, 1),
            "output": told.output,
        }
        temporary = self._file(what).with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(values, indent=1))
        return temporary.replace(self._file(what))

    def _file(self, what: Run) -> Path:
        return self.folder / f"{what.file_name}.json"
