"""Packet sockets and kernel parameters of the hosts of a lab, without starting a process for each.

A thread enters the network namespace of a host and stays there. A packet socket that it opens belongs to that
namespace; `/proc/sys/net` shows the namespace of the thread that looks. Sources: packet(7), setns(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host
from optdsl.lab.leftovers import NAMESPACES
from optdsl.lab.pcap import Packet, read_packets

T = TypeVar("T")

_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET."""
_EVERY_PROTOCOL: Final = 0x0003
"""ETH_P_ALL."""
_RECEIVE_BUFFER_FORCE: Final = 33
"""SO_RCVBUFFORCE."""
_BUFFER: Final = 16 << 20
_LONGEST: Final = 256
"""Bytes of a packet that are read: IPv6 and the longest TCP header fit."""
_RAW_IP: Final = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, 101)
"""The header of a capture of IP packets."""


class Inside:
    """A thread in the network namespace of a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._thread = ThreadPoolExecutor(1, initializer=_enter, initargs=(host,))
        self._sysctls: dict[str, str] = {}

    def call(self, function: Callable[[], T]) -> T:
        """Calls a function in the namespace."""
        return self._thread.submit(function).result()

    def set_sysctl(self, name: str, value: int) -> None:
        """Sets a kernel parameter of the host's namespace, if it is not set already."""
        if self._sysctls.get(name) == str(value):
            return
        path = Path("/proc/sys") / name.replace(".", "/")
        self.call(lambda: path.write_text(f"{value}\n", encoding="ascii"))
        self._sysctls[name] = str(value)

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()


def _enter(host: Host) -> None:
    namespace = os.open(NAMESPACES / host.namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(namespace, _NEW_NETWORK):
            raise LabError(f"cannot enter {host.namespace}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(namespace)


class Wire:
    """What passes the interface of a host, both ways, from now on."""

    def __init__(self, inside: Inside) -> None:
        self._socket = inside.call(lambda: _packet_socket(inside.host.interface))
        self._count = 0

    def packets(self) -> list[Packet]:
        """The TCP segments since the last call, in order; their times say only that each came a millisecond later."""
        records = [_RAW_IP]
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self._socket.recv(_LONGEST)
                self._count += 1
                records.append(
                    struct.pack("<IIII", *divmod(1000 * self._count, 1_000_000), len(data), len(data)) + data
                )
        return read_packets(b"".join(records))

    def close(self) -> None:
        """Stops listening."""
        self._socket.close()


def _packet_socket(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
    opened.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, _BUFFER)
    opened.bind((interface, _EVERY_PROTOCOL))
    opened.setblocking(False)
    return opened
