"""The folder `tools/testing/selftests/net/mptcp` of the kernel, with its helpers compiled, in the user's cache.

The tarball is large: the few files are taken out once (some ten seconds). They are under the GPL and never part of this
repository.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from optdsl.lab.kernels import LabKernelError, source

PACKAGES: Final = ("ethtool", "iproute2", "iptables", "iputils-ping", "nftables", "procps")
"""Debian packages with the programs that the scripts call, beside those of a base system."""
PROGRAMS: Final = ("awk", "cmp", "ethtool", "ip", "ip6tables", "iptables", "nft", "nstat", "ping", "ps", "ss", "tc")
HELPERS: Final = ("mptcp_connect", "mptcp_inq", "mptcp_sockopt", "pm_nl_ctl")
"""C programs that the scripts call."""
_NET: Final = "tools/testing/selftests/net"
_SCRIPTS: Final = (
    "mptcp_lib", "diag", "mptcp_connect", "mptcp_connect_checksum", "mptcp_connect_mmap", "mptcp_connect_sendfile",
    "mptcp_join", "mptcp_sockopt", "pm_netlink", "simult_flows", "userspace_pm",
)  # fmt: skip
_HEADERS: Final = ("mptcp", "mptcp_pm", "tcp")
"""Of `include/uapi/linux`: what the helpers need newer than the headers of this machine may be."""
_LAYOUT: Final = 1
"""Counts the ways in which this module has laid out the folder."""
_SLOWEST: Final = 300.0
"""Seconds for reading the tarball."""


def folder() -> Path:
    """The folder in which the scripts are run. Raises LabKernelError that says what is missing."""
    _need_programs()
    tarball = source.tarball()
    version = source.digest(tarball, source.cache_folder())[:12]
    target = cache_folder() / f"mptcp-{source.SERIES}-{version}-{_LAYOUT}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two runs may do this at once: each works in a folder of its own, and the first to be done wins.
        with tempfile.TemporaryDirectory(prefix=".taking-out-", dir=target.parent) as scratch:
            net = _take_out(tarball, Path(scratch))
            _compile_helpers(net / "mptcp", Path(scratch))
            try:
                net.rename(target)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
    return target / "mptcp"


def cache_folder() -> Path:
    """Where the scripts and what they printed are kept."""
    return source.cache_folder().parent / "kernel-selftests"


def _need_programs() -> None:
    missing = [each for each in PROGRAMS if shutil.which(each, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None]
    if missing:
        install = f"Debian: apt install {' '.join(PACKAGES)}"
        raise LabKernelError(f"the kernel's selftests call {', '.join(missing)}", ("help", install))


def _take_out(tarball: Path, scratch: Path) -> Path:
    """Takes out scripts, helpers and headers; the folder `net` of the selftests, with `mptcp` in it."""
    root = tarball.name.partition(".tar.")[0]
    members = [
        *(f"{_NET}/{name}.sh" for name in ("lib", "net_helper")),
        *(f"{_NET}/mptcp/{name}.sh" for name in _SCRIPTS),
        *(f"{_NET}/mptcp/{name}.c" for name in HELPERS),
        *(f"include/uapi/linux/{name}.h" for name in _HEADERS),
    ]
    # With --occurrence tar stops at the last of the names instead of reading to the end.
    command = ["tar", "--extract", "--occurrence=1", "--no-same-owner", f"--file={tarball}", f"--directory={scratch}"]
    _run([*command, *(f"{root}/{each}" for each in members)], f"the selftests cannot be taken out of {tarball}")
    net = scratch / root / _NET
    for script in (net / "mptcp").glob("*.sh"):  # Debian's patches add some of them, and patches know no modes
        script.chmod(0o755)
    return net


def _compile_helpers(sources: Path, scratch: Path) -> None:
    """Compiles each helper beside its source, where the scripts look for it."""
    headers = next(scratch.glob("*/include/uapi"))
    for name in HELPERS:
        _run(
            ["gcc", "-O2", "-w", f"-I{headers}", "-o", str(sources / name), str(sources / f"{name}.c")],
            f"{name}.c of the kernel's selftests cannot be compiled",
        )


def _run(command: list[str], failure: str) -> None:
    """Raises LabKernelError, with what the program has printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SLOWEST)
    except FileNotFoundError:
        raise LabKernelError(f"{failure}: there is no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise LabKernelError(f"{failure}: {command[0]} was not done after {_SLOWEST:.0f} s") from None
    if done.returncode:
        raise LabKernelError(failure, ("note", done.stderr.strip()[-2000:]))
