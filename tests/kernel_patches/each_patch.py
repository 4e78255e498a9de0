"""Builds and boots the kernel after each patch of the series, so that bisecting never meets one that does neither.

    PYTHONPATH=tests python -m kernel_patches.each_patch
    PYTHONPATH=tests python -m kernel_patches.each_patch --only 5 --only 6

One tree is patched further and further; only what a patch touches is compiled anew, which is half of the kernel where
it is a header: up to an hour for all on two processors, and some minutes where ccache knows it. In each kernel a
transfer uses two paths. It ends with 1 if a patch does not build or boot, if the transfer is not MPTCP or not intact,
or if the kernel complains in its log.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from optdsl.lab.errors import LabError
from optdsl.lab.kernels import Kernel, boot, problems, recipe, source
from optdsl.lab.kernels.make import Make


def main() -> int:
    parser = argparse.ArgumentParser(prog="kernel_patches.each_patch", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", type=int, metavar="N", help="the kernel after patch N; 0 for none")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="compilers at a time")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return _transfer()
    try:
        return _all(options.only, options.jobs)
    except (LabError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _all(only: list[int] | None, jobs: int) -> int:
    patches = recipe.series()
    with tempfile.TemporaryDirectory(prefix="optdsl-each-patch-", dir=source.cache_folder()) as name:
        folder = Path(name)
        make = Make(folder / "tree", jobs)
        make.unpack(source.tarball())
        for number in range(len(patches) + 1):
            if number:
                make.apply(patches[number - 1])
            if only is not None and number not in only:
                continue
            began = time.monotonic()
            make.configure(recipe.config(debug=False))
            steps = [0]
            make.compile(steps.append)
            result = folder / str(number)
            make.keep(result)
            what = patches[number - 1].name if number else "no patch"
            complaint = _complaint(Kernel(result, source.SERIES))
            told = f"{steps[-1]} steps, {time.monotonic() - began:.0f} s"
            print(f"{number:2} {complaint or 'ok'}  {what}  ({told})", flush=True)
            if complaint:
                return 1
    return 0


def _complaint(kernel: Kernel) -> str | None:
    """Boots a kernel, and says what is wrong with it."""
    command = [sys.executable, "-m", "kernel_patches.each_patch", "--inside"]
    done = boot(kernel, command, timeout=120)
    if found := problems(done.log):
        return "\n".join(found)
    return None if done.status == 0 else (done.stdout + done.stderr).decode(errors="replace")


def _transfer() -> int:
    """In the lab: 0 if data came over two paths as it was sent."""
    from optdsl.lab.paths import Shape, two_paths
    from optdsl.lab.paths.manager import use_all_paths
    from optdsl.lab.paths.transfer import transfer

    line = Shape(delay=0.010, rate=10_000_000)
    with two_paths(line, line) as lab:
        use_all_paths(lab.client, lab.server, [lab.paths[1].client])
        done = transfer(lab, send=1_000_000, receive=500_000)
    print(done)
    return 0 if done.mptcp and done.intact and done.subflows == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
