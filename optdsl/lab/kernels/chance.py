"""Chance for a kernel of the lab that comes out the same each time: ports, sequence numbers, keys, lost packets.

User-mode Linux takes all its randomness from getrandom(3) of the host's C library (arch/um/os-Linux/util.c), so a
library of a few lines in front of it decides what a boot draws. What else goes into the kernel's pool, the command line
among it (`random_init_early` of drivers/char/random.c), has to be the same as well.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from optdsl.lab.kernels.errors import LabKernelError

SEED: Final = "OPTDSL_LAB_SEED"
"""Names the seed, a whole number, to the library."""
_SOURCE: Final = """
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

/* SplitMix64 (Steele, Lea and Flood, 2014): the kernel hashes what it gets, so it need not be better than that. */
ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
	static uint64_t state;
	static int is_seeded;
	unsigned char *bytes = buffer;

	(void)flags;
	if (!is_seeded) {
		const char *seed = getenv("OPTDSL_LAB_SEED");

		state = seed ? strtoull(seed, NULL, 10) : 0;
		is_seeded = 1;
	}
	for (size_t i = 0; i < length; i++) {
		uint64_t next = (state += 0x9e3779b97f4a7c15);

		next = (next ^ (next >> 30)) * 0xbf58476d1ce4e5b9;
		next = (next ^ (next >> 27)) * 0x94d049bb133111eb;
		bytes[i] = next >> 56;
	}
	return length;
}
"""


def shared_object(cache: Path) -> Path:
    """The library, compiled at its first use into a folder. Raises LabKernelError if that fails."""
    result = cache / f"chance-{hashlib.sha256(_SOURCE.encode()).hexdigest()[:12]}.so"
    if result.exists():
        return result
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise LabKernelError("runs that repeat need a C compiler", ("help", "Debian: apt install gcc libc6-dev"))
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="chance-") as folder:
        made = Path(folder, "chance.so")
        command = [compiler, "-O2", "-shared", "-fPIC", "-x", "c", "-", "-o", str(made)]
        done = subprocess.run(command, input=_SOURCE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabKernelError("the library for runs that repeat cannot be compiled", ("note", done.stderr.strip()))
        made.replace(result)
    return result
