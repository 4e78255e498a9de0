"""What the tests of the papers' effects share: streams, tables of what paths carry, and a path with another device."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from optdsl.lab.paths import Path as LabPath
from optdsl.lab.pcap import Packet

ARPHRD_SIT: Final = 776
"""Of include/uapi/linux/if_arp.h: a tunnel that carries IPv6 over IPv4."""
TUNNEL_CLIENT, TUNNEL_SERVER = "2001:db8:100::1", "2001:db8:100::2"
_TABLE: Final = 2000
_IN_TUNNEL: Final = 14 + 20
"""Bytes before the inner packet: the headers of Ethernet and IPv4."""
_RAW_IP: Final = 101
"""The link type of captures without a link header."""


def lay_tunnel(path: LabPath) -> None:
    """Makes IPv6 of its own addresses go through a tunnel on a path, whose device is of the type ARPHRD_SIT."""
    ends = [(path.client, path.server, TUNNEL_CLIENT), (path.server, path.client, TUNNEL_SERVER)]
    for host, peer, address in ends:
        for command in (
            f"tunnel add tunnel mode sit local {host.ipv4} remote {peer.ipv4} dev {host.interface}",
            f"address add {address}/64 dev tunnel nodad",
            "link set tunnel up",
        ):
            host.run(["ip", *command.split()])
    path.client.run(["ip", "-6", "rule", "add", "from", TUNNEL_CLIENT, "table", str(_TABLE)])
    path.client.run(["ip", "-6", "route", "add", "default", "dev", "tunnel", "table", str(_TABLE)])


def out_of_tunnel(capture: Path) -> bytes:
    """A capture of tunnelled packets, of the expression `ip proto 41`, as one of what they carry."""
    data = capture.read_bytes()
    found = [data[:20] + struct.pack("=I", _RAW_IP)]
    position = 24
    while position < len(data):
        *stamp, kept, length = struct.unpack_from("=4I", data, position)
        content = data[position + 16 + _IN_TUNNEL : position + 16 + kept]
        found.append(struct.pack("=4I", *stamp, len(content), length - _IN_TUNNEL) + content)
        position += 16 + kept
    return b"".join(found)


def carried(packets: Sequence[Packet], sender: str, begin: float, end: float) -> float:
    """The payload that an address sent in a span of time, in Mbit/s."""
    count = sum(p.payload_length for p in packets if p.src == sender and begin <= p.time < end)
    return count * 8e-6 / (end - begin)


def path_table(
    one: Callable[[float, float], float], two: Callable[[float, float], float], begin: float, end: float
) -> str:
    """What two paths carry, a line for each half second."""
    lines = [" time s   path 1   path 2  Mbit/s"]
    for number in range(round((end - begin) * 2)):
        at = begin + number / 2
        lines.append(f"{number / 2:7.1f} {one(at, at + 0.5):8.2f} {two(at, at + 0.5):8.2f}")
    return "\n".join(lines) + "\n"


def stream(
    source: socket.socket, target: socket.socket, *, seconds: float, block: int, interval: float,
    at: dict[float, Callable[[], None]] | None = None,
) -> None:  # fmt: skip
    """Sends a block each interval, and receives what has come by then; `at` has what happens meanwhile, by seconds."""
    start = time.monotonic()
    due = sorted((at or {}).items(), reverse=True)
    target.setblocking(False)
    passed = arrived = 0
    for number in range(round(seconds / interval)):
        while due and time.monotonic() - start >= due[-1][0]:
            due.pop()[1]()
        source.sendall(bytes(block))
        passed += block
        time.sleep(max(0.0, start + (number + 1) * interval - time.monotonic()))
        arrived += _received(target)
    deadline = time.monotonic() + 10
    while arrived < passed:
        assert time.monotonic() < deadline, f"{arrived} of {passed} bytes have arrived"
        time.sleep(interval)
        arrived += _received(target)
    target.settimeout(30.0)


def _received(target: socket.socket) -> int:
    count = 0
    try:
        while data := target.recv(1 << 16):
            count += len(data)
    except BlockingIOError:
        pass
    return count
