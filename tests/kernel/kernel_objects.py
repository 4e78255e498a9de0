"""The hand-written program that tests of this folder load, and ways to make traffic for it to see."""

import os
import subprocess
import sys
from pathlib import Path

from optdsl.kernel.cgroups import Cgroup
from optdsl.kernel.clang import compile_bpf

SOURCE = Path(__file__).with_name("delayed_ack.bpf.c")

_EXCHANGE = """
import socket, sys
open(sys.argv[1], "w").write("0")
family = getattr(socket, sys.argv[2])
with socket.socket(family) as listener:
    listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    listener.listen()
    with socket.create_connection(listener.getsockname()[:2]) as client, listener.accept()[0] as server:
        for size in range(1, 6):
            client.sendall(bytes(size))
            assert len(server.recv(100)) == size
"""


def compiled(folder: Path) -> Path:
    """The object, in a folder of the test's own."""
    return compile_bpf(SOURCE, folder / "delayed_ack.bpf.o")


def broken(folder: Path) -> Path:
    """The object of a program that reads beyond a map's value."""
    source = folder / "broken.bpf.c"
    source.write_text(SOURCE.read_text().replace("count->sent++", "count[10].sent++"))
    return compile_bpf(source, folder / "broken.bpf.o")


def exchange(group: Cgroup, family: str = "AF_INET") -> None:
    """Five data segments over the loopback interface, from a process in the group."""
    subprocess.run([sys.executable, "-c", _EXCHANGE, str(group.procs), family], check=True, timeout=20)


def group_name(test: str) -> str:
    """A name for a group or pin that is this process's own."""
    return f"optdsl-test-{os.getpid()}-{test}"
