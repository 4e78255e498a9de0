"""Runs a sock_ops program, given as C text, around a Python workload in a network namespace of its own.

Nothing is shared with other tests: the cgroup, the BPF file system and the namespace are private and go away with it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PRELUDE = """
#include <linux/bpf.h>
#define SEC(name) __attribute__((section(name), used))
#define NOINLINE static __attribute__((noinline))
static void *(*bpf_map_lookup_elem)(void *, const void *) = (void *)1;
static long (*bpf_setsockopt)(void *, int, int, void *, int) = (void *)49;
static long (*bpf_getsockopt)(void *, int, int, void *, int) = (void *)57;
static long (*bpf_sock_ops_cb_flags_set)(void *, int) = (void *)59;
static long (*bpf_reserve_hdr_opt)(void *, __u32, __u64) = (void *)144;
struct { int (*type)[BPF_MAP_TYPE_ARRAY]; __u32 *key; __s64 *value; int (*max_entries)[512]; } results SEC(".maps");
static inline __attribute__((always_inline)) void put(__u32 index, __s64 value)
{
    __s64 *slot = bpf_map_lookup_elem(&results, &index);
    if (slot)
        *slot = value;
}
static inline __attribute__((always_inline)) void bump(__u32 index)
{
    __s64 *slot = bpf_map_lookup_elem(&results, &index);
    if (slot)
        *slot += 1;
}
char license_text[] SEC("license") = "GPL";
"""

# The child joins the cgroup before it opens sockets; loopback must be up before it uses them.
_WORKLOAD_PRELUDE = """
import os, pathlib, socket, subprocess, sys
pathlib.Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
def sysctl(name, value):
    pathlib.Path("/proc/sys/net/ipv4", name).write_text(str(value))
def connect(family, address):
    listener = socket.create_server((address, 0), family=family)
    client = socket.create_connection(listener.getsockname()[:2], timeout=10)
    server, _ = listener.accept()
    return listener, client, server
"""


def require_bpf() -> None:
    """Skip the calling test, with the reason, where it cannot run."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in ("clang", "bpftool", "unshare", "ip", "mount"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    if _cgroup_mount() is None:
        pytest.skip("needs a cgroup v2 mount")


def run_probe(program: str, workload: str) -> list[int]:
    """The 64-bit slots that `program` wrote with `put(index, value)` while `workload` ran.

    `program` defines the sock_ops function in SEC("sockops"), `workload` is Python with `sysctl` and `connect` at hand.
    """
    with tempfile.TemporaryDirectory(prefix=f"optdsl-targets-{os.getpid()}-") as name, _bpf_fs(Path(name)) as pins:
        folder = Path(name)
        built = folder / "probe.o"
        _run(["clang", "-O2", "-g", "-target", "bpf", *_include(), "-x", "c", "-", "-c", "-o", str(built)], program)
        _run(["bpftool", "prog", "load", str(built), str(pins / "prog"), "type", "sockops", "pinmaps", str(pins)])
        with _cgroup() as cgroup:
            _run(["bpftool", "cgroup", "attach", str(cgroup), "sock_ops", "pinned", str(pins / "prog"), "multi"])
            _run(["unshare", "--net", sys.executable, "-", str(cgroup)], _WORKLOAD_PRELUDE + workload)
        dump = json.loads(_run(["bpftool", "-j", "map", "dump", "pinned", str(pins / "results")]))
    return [struct.unpack("=q", bytes(int(byte, 16) for byte in entry["value"]))[0] for entry in dump]


def _run(command: list[str], text: str | None = None) -> str:
    source = _PRELUDE + text if command[0] == "clang" and text is not None else text
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _include() -> list[str]:
    # asm/types.h lives in the folder of the host's architecture on Debian.
    return [f"-I{folder}" for folder in Path("/usr/include").glob("*-linux-gnu")]


def _cgroup_mount() -> Path | None:
    found = re.search(r"^\S+ (\S+) cgroup2 ", Path("/proc/mounts").read_text(encoding="utf-8"), re.MULTILINE)
    return None if found is None else Path(found[1])


@contextmanager
def _bpf_fs(parent: Path) -> Iterator[Path]:
    folder = parent / "bpf"
    folder.mkdir()
    _run(["mount", "-t", "bpf", "bpf", str(folder)])
    try:
        yield folder
    finally:
        _run(["umount", str(folder)])


@contextmanager
def _cgroup() -> Iterator[Path]:
    mount = _cgroup_mount()
    assert mount is not None
    folder = Path(tempfile.mkdtemp(prefix=f"optdsl-targets-{os.getpid()}-", dir=mount))
    try:
        yield folder
    finally:
        folder.rmdir()
