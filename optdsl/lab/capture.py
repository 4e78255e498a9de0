"""Capturing what passes a host's interface with tcpdump, without losing the first packet or the last.

    with capture(lab.client, tmp_path / "transfer.pcap") as seen:
        ...
    for packet in seen.packets(): ...

tcpdump is ready when the block begins. At its end a frame of a private type is sent after all others; when it stands in
the file, so does everything before it. It is taken out of the file again.
"""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from optdsl.kernel import tools
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host
from optdsl.lab.pcap import Packet, read_packets, without_ethertype

_MARKER_TYPE: Final = 0x88B5
"""Local Experimental Ethertype 1 (IEEE 802)."""
_SEND_MARKER: Final = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind((sys.argv[1], 0))
    s.send(bytes.fromhex(sys.argv[2]))
"""
HEADERS_ONLY: Final = 256
"""Bytes that hold Ethernet, IPv6 with an extension header, and the longest TCP header."""
_BUFFER_KIB: Final = 8192
"""tcpdump's buffer has room for the longest packet in each of its places, so short packets give it many places."""
_START_TIMEOUT: Final = 10.0
_FLUSH_TIMEOUT: Final = 5.0
_GRACE: Final = 0.2


class Capture:
    """A running or finished capture into `path`."""

    def __init__(self, host: Host, path: Path, expression: str, snap_length: int) -> None:
        self.path = path
        self.dropped = 0
        """Packets that the kernel could not hand to tcpdump; known after `stop`."""
        self._host = host
        wanted = f"({expression}) or ether proto {_MARKER_TYPE:#x}" if expression else ""
        # Through our own file descriptor: tcpdump gives up root before it opens a file by name.
        size = ["-s", str(snap_length), "-B", str(_BUFFER_KIB)]
        options = ["-i", host.interface, "-n", "-U", "--immediate-mode", *size, "-w", "-"]
        with path.open("wb") as output:
            self._process = host.spawn(["tcpdump", *options, wanted], stdout=output.fileno())
        self._messages = self._wait_for_start()

    @property
    def running(self) -> bool:
        """True until `stop`."""
        return self._process.returncode is None

    def packets(self) -> list[Packet]:
        """The TCP segments so far; while the capture runs, all that passed before the call."""
        if self.running:
            self.flush()
        return read_packets(self.path.read_bytes())

    def flush(self) -> None:
        """Returns when every packet that passed before the call is in the file."""
        token = os.urandom(16)
        frame = b"\xff" * 6 + b"\x02" + b"\0" * 5 + _MARKER_TYPE.to_bytes(2, "big") + token
        python = [sys.executable, "-I", "-S", "-c", _SEND_MARKER, self._host.interface, frame.hex()]
        if self._host.run(python, check=False).returncode:
            # No frame leaves an interface that is down, but then no more packets come either.
            time.sleep(_GRACE)
            return
        deadline = time.monotonic() + _FLUSH_TIMEOUT
        seen = b""
        with self.path.open("rb") as written:
            while token not in seen:
                if time.monotonic() > deadline:
                    raise LabError(f"tcpdump on {self._host.name} does not keep up")
                seen = seen[-len(token) :] + written.read()
                time.sleep(0.002)

    def stop(self) -> None:
        """Ends the capture with all packets written; once is enough."""
        if not self.running:
            return
        if self._process.poll() is None:
            self.flush()
            self._process.send_signal(signal.SIGINT)
        _, messages = self._process.communicate(timeout=_FLUSH_TIMEOUT)
        self._messages += messages
        if drops := re.search(r"(\d+) packets? dropped by kernel", self._messages):
            self.dropped = int(drops[1])
        if self._process.returncode:
            raise LabError(f"tcpdump on {self._host.name} failed: {self._messages.strip()}")
        self.path.write_bytes(without_ethertype(self.path.read_bytes(), _MARKER_TYPE))

    def _wait_for_start(self) -> str:
        """Reads tcpdump's messages until it listens, without reading further than they go."""
        assert self._process.stderr is not None
        descriptor = self._process.stderr.fileno()
        deadline = time.monotonic() + _START_TIMEOUT
        messages = ""
        while "listening on" not in messages:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(descriptor, 4096) if readable else b""
            if not chunk:
                self._process.kill()
                raise LabError(f"tcpdump on {self._host.name} does not start: {messages.strip()}")
            messages += chunk.decode(errors="replace")
        return messages


@contextmanager
def capture(host: Host, path: Path, expression: str = "tcp", *, snap_length: int = HEADERS_ONLY) -> Iterator[Capture]:
    """Captures into `path` for the length of a `with` block what pcap-filter(7) `expression` lets pass ("" for all).

    Of each packet `snap_length` bytes are kept, by default the headers with all their options; 0 keeps everything, at
    the price of a buffer that overflows soon (`Capture.dropped`).
    """
    running = Capture(host, path, expression, snap_length)
    try:
        yield running
    finally:
        running.stop()


def tshark_fields(
    path: Path, fields: Sequence[str], display_filter: str = "", options: Sequence[str] = ()
) -> list[dict[str, str]]:
    """What Wireshark makes of a capture: for each packet the named fields, "" where absent, several joined by a comma.

    `options` go to tshark as they are, such as `("-X", "lua_script:x.lua")`. Raises LabError with what tshark printed.
    """
    chosen = [argument for name in fields for argument in ("-e", name)]
    text = _tshark(path, display_filter, [*options, "-T", "fields", "-E", "separator=/t", *chosen])
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in text.splitlines()]


def tshark_text(path: Path, display_filter: str = "", options: Sequence[str] = ()) -> str:
    """Wireshark's full dissection of a capture as text."""
    return _tshark(path, display_filter, [*options, "-V"])


def _tshark(path: Path, display_filter: str, options: Sequence[str]) -> str:
    chosen = ["-Y", display_filter] if display_filter else []
    done: subprocess.CompletedProcess[str] = tools.run(["tshark", "-n", "-r", str(path), *chosen, *options])
    if done.returncode:
        raise LabError(f"tshark cannot read {path.name}: {done.stderr.strip()}")
    return done.stdout
