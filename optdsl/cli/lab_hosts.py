"""`optdsl lab hosts COMMAND...`: two hosts joined by paths with a delay, loss and rate, for the length of a command."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.cli.errors import CommandError, UsageError
from optdsl.cli.terminal import show_error, write

if TYPE_CHECKING:
    from contextlib import ExitStack

    from optdsl.lab.capture import Capture
    from optdsl.lab.paths import MultipathLab
    from optdsl.lab.paths.shape import Shape

EXAMPLES = (
    ("optdsl lab hosts -- ip netns exec client ping -c3 10.0.1.2", "two plain paths"),
    ("optdsl lab hosts --path delay=40ms --path delay=20ms,loss=1,rate=20mbit -- ./test.sh", "each as it should be"),
    ("optdsl lab hosts --path rate=20mbit/rate=1mbit --capture out -- ./test.sh", "one path, slower on the way back"),
)
NAMESPACES = ("client", "server")
_WHOLE_PACKETS = 2048
"""Bytes to capture: paths have an MTU of 1500, and tcpdump loses packets if it has to expect long ones."""
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    parser.add_argument(
        "--path", metavar="SHAPE", action="append", dest="shapes",
        help="a path: delay, jitter, loss (percent), rate and queue (packets), as in delay=40ms,loss=1,rate=20mbit; "
        "what follows a / differs on the way back to the client (default: two plain paths)",
    )  # fmt: skip
    parser.add_argument("--mptcp", action="store_true", help="open subflows on all paths: endpoints on the client")
    parser.add_argument(
        "--capture",
        metavar="DIR",
        type=Path,
        help="write what passes both ends of each path, as DIR/path1-client.pcap and so on",
    )
    parser.add_argument("--quiet", action="store_true", help="do not tell addresses and control groups first")
    parser.add_argument(
        "words", metavar="COMMAND", nargs=argparse.REMAINDER, help="it finds the namespaces `client` and `server`"
    )


def run(arguments: argparse.Namespace) -> int:
    """Makes the hosts, runs the command, takes the hosts down, and returns the command's status."""
    from contextlib import ExitStack

    from optdsl.kernel.errors import KernelError
    from optdsl.lab.errors import LabError
    from optdsl.lab.paths import two_paths

    words: list[str] = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise UsageError("a command to run is missing", ("help", "`optdsl lab hosts --path delay=40ms -- ./test.sh`"))
    if os.geteuid() != 0:
        raise CommandError("network namespaces need root", ("help", "`optdsl lab run` runs commands as root in a lab"))
    shapes = _shapes(arguments.shapes or [])
    try:
        with ExitStack() as cleanup:
            lab = cleanup.enter_context(two_paths(*shapes, namespaces=NAMESPACES))
            _prepare(arguments, lab, cleanup)
            return _run(words, lab)
    except (KernelError, LabError) as error:
        head, *more = str(error).splitlines()
        raise CommandError(head, *(("note", line) for line in more)) from None


def _shapes(texts: list[str]) -> list[tuple[Shape, Shape]]:
    from optdsl.lab.errors import LabError
    from optdsl.lab.paths.shape import shapes_of

    try:
        return [shapes_of(text) for text in texts]
    except LabError as error:
        raise UsageError(str(error)) from None


def _prepare(arguments: argparse.Namespace, lab: MultipathLab, cleanup: ExitStack) -> None:
    """What is wanted beyond the hosts themselves."""
    if arguments.mptcp:
        from optdsl.lab.paths.manager import use_all_paths

        use_all_paths(lab.client, lab.server, [path.client for path in lab.paths[1:]])
    if arguments.capture is not None:
        _capture(arguments.capture, lab, cleanup)
    if not arguments.quiet:
        for path in lab.paths:
            client, server = path.hosts
            write(f"path {path.number}: client {client.ipv4} {client.ipv6}, server {server.ipv4} {server.ipv6}\n",
                  sys.stderr)  # fmt: skip
        for host in lab.hosts:
            write(f"control group of {host.name}: {host.cgroup.path}\n", sys.stderr)


def _capture(folder: Path, lab: MultipathLab, cleanup: ExitStack) -> None:
    from contextlib import ExitStack

    from optdsl.lab.capture import capture

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in lab.paths:
            for host in path.hosts:
                file = folder / f"path{path.number}-{host.name}.pcap"
                after = cleanup.enter_context(ExitStack())
                running = cleanup.enter_context(capture(host, file, "", snap_length=_WHOLE_PACKETS))
                after.callback(_tell_drops, running)
    except OSError as error:
        raise CommandError(f"cannot write captures into {folder}: {error.strerror}") from None


def _tell_drops(finished: Capture) -> None:
    """Says that a capture is not complete; called after its end."""
    if finished.dropped:
        show_error(f"{finished.path} lacks {finished.dropped} packets, which came too fast for tcpdump")


def _run(words: list[str], lab: MultipathLab) -> int:
    """Runs the command with our streams, and returns its status as a shell tells it."""
    import subprocess

    groups = {f"{host.name.upper()}_CGROUP": str(host.cgroup.path) for host in lab.hosts}
    try:
        status = subprocess.run(words, check=False, env={**os.environ, **groups}).returncode
    except FileNotFoundError:
        write(f"{words[0]}: command not found\n", sys.stderr)
        return _NOT_FOUND
    except OSError as error:
        write(f"{words[0]}: {error.strerror}\n", sys.stderr)
        return _NOT_EXECUTABLE
    return 128 - status if status < 0 else status
