"""A TCP client that writes its own headers: any option bytes, well formed or not, on any segment.

    with raw_client(lab) as client:
        connection = client.connect(listener.port, syn=b"\\x02\\x04\\x05\\xb4", ack=b"\\xfe\\x07\\xeb\\x9f\\x06")
        accepted = server.accept(listener)
        answer = connection.exchange(b"hello", options=b"\\xfe\\x01")      # None: the segment was dropped

It sends from an address that the client's host does not have, so that the kernel there, which knows nothing of the
connection, has no reason to reset it: the server's packets come to the host by a route and end in a black hole, after
this client has seen them. Nothing is retransmitted. Sources: RFC 9293 section 3.1, RFC 791, RFC 8200, packet(7).
"""

import ctypes
import itertools
import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host, Lab
from optdsl.lab.leftovers import NAMESPACES
from optdsl.lab.pcap import Flags, Packet, read_packets

_IPV4, _IPV6 = 0x0800, 0x86DD
"""EtherTypes."""
_ADDRESS_IPV4: Final = "192.0.2.77"
_ADDRESS_IPV6: Final = "2001:db8::77"
_MAX_OPTIONS: Final = 40
_WINDOW: Final = 0xFFFF
_INITIAL_SEQUENCE: Final = 1000
_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET, the kind of namespace for setns(2)."""
_PCAP_HEADER: Final = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, 101)
"""The header of a capture of raw IP packets."""
DEFAULT_SYN: Final = bytes.fromhex("020405b4")
"""A maximum segment size of 1460, and nothing else: no timestamps, no SACK, no window scaling."""


def tcp_header(
    ports: tuple[int, int], flags: Flags, seq: int, ack: int, options: bytes, padding: bytes = b"\0"
) -> bytes:
    """A TCP header without its checksum. `options` are filled up to a multiple of four bytes with `padding`.

    Raises ValueError if they are longer than 40 bytes then.
    """
    padded = options + padding * (-len(options) % 4)
    if len(padded) > _MAX_OPTIONS:
        raise ValueError(f"{len(padded)} bytes of options do not fit a TCP header")
    words = 5 + len(padded) // 4
    fixed = struct.pack(">HHIIBBHHH", *ports, seq % 2**32, ack % 2**32, words << 4, flags, _WINDOW, 0, 0)
    return fixed + padded


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    folded = sum(int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2))
    while folded >> 16:
        folded = (folded & 0xFFFF) + (folded >> 16)
    return folded ^ 0xFFFF


def ip_packet(source: str, destination: str, header: bytes, payload: bytes = b"") -> bytes:
    """An IP packet with a TCP segment, with all checksums; the family is that of the addresses."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    length = len(header) + len(payload)
    # The sum of the pseudo-header is the same in both families: addresses, protocol, length.
    total = checksum(addresses + struct.pack(">II", socket.IPPROTO_TCP, length) + header + payload)
    segment = header[:16] + total.to_bytes(2, "big") + header[18:] + payload
    if family == socket.AF_INET6:
        return struct.pack(">IHBB", 6 << 28, length, socket.IPPROTO_TCP, 64) + addresses + segment
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + addresses
    return ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:] + segment


@dataclass(slots=True)
class RawConnection:
    """One connection, once the SYN-ACK is there."""

    client: "RawClient"
    ports: tuple[int, int]
    """Ours and the server's."""
    syn_ack: Packet
    next_to_send: int
    """Our next sequence number."""
    next_expected: int
    """The server's next sequence number."""

    def send(self, payload: bytes = b"", *, options: bytes = b"", flags: Flags = Flags.ACK) -> None:
        """Sends one segment with these option bytes; with a payload it counts, received or not."""
        self.client.send(self.ports, flags, self.next_to_send, self.next_expected, options, payload)
        self.next_to_send += len(payload) + bool(flags & Flags.FIN)

    def receive(self, timeout: float = 0.5) -> Packet | None:
        """The server's next segment; None if there is none for `timeout` seconds."""
        packet = self.client.receive(self.ports, timeout)
        if packet is not None and packet.seq == self.next_expected % 2**32:
            self.next_expected += packet.payload_length + bool(packet.flags & Flags.FIN)
        return packet

    def exchange(self, payload: bytes, *, options: bytes = b"", timeout: float = 0.5) -> Packet | None:
        """Sends data and returns the segment that acknowledges it; None if none comes for `timeout` seconds."""
        self.send(payload, options=options, flags=Flags.ACK | Flags.PSH)
        while packet := self.receive(timeout):
            if packet.flags & Flags.ACK and packet.ack == self.next_to_send % 2**32:
                return packet
        return None

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self.send(flags=Flags.RST | Flags.ACK)


@dataclass(frozen=True, slots=True)
class RawClient:
    """The client's address and its wire; `raw_client` makes it."""

    address: str
    server: str
    _wire: socket.socket
    _link: tuple[str, int, int, int, bytes]
    """Where packets go, as packet(7) has it: interface, EtherType, two unused numbers, the server's link address."""
    _ports: Iterator[int]

    def connect(self, port: int, *, syn: bytes = DEFAULT_SYN, ack: bytes = b"", timeout: float = 2.0) -> RawConnection:
        """Opens a connection with these option bytes on the SYN and on the ACK that ends the handshake."""
        connection = self.open(port, options=syn, timeout=timeout)
        connection.send(options=ack)
        return connection

    def open(self, port: int, *, options: bytes = DEFAULT_SYN, timeout: float = 2.0) -> RawConnection:
        """The first half of the handshake: SYN and SYN-ACK. Raises LabError if the server does not answer in time."""
        ports = next(self._ports), port
        self.send(ports, Flags.SYN, _INITIAL_SEQUENCE, 0, options)
        answer = self.receive(ports, timeout)
        if answer is None or answer.flags & (Flags.SYN | Flags.ACK | Flags.RST) != Flags.SYN | Flags.ACK:
            raise LabError(f"no SYN-ACK from {self.server} port {port}, but {answer}")
        return RawConnection(self, ports, answer, _INITIAL_SEQUENCE + 1, answer.seq + 1)

    def send(
        self, ports: tuple[int, int], flags: Flags, seq: int, ack: int, options: bytes, payload: bytes = b""
    ) -> None:
        """Sends one segment as it is told."""
        header = tcp_header(ports, flags, seq, ack, options)
        self.send_packet(ip_packet(self.address, self.server, header, payload))

    def send_packet(self, packet: bytes) -> None:
        """Sends a whole IP packet, whatever is in it."""
        self._wire.sendto(packet, self._link)

    def forget(self) -> None:
        """Forgets what has come so far, so that there is room for what comes next."""
        while select.select([self._wire], [], [], 0)[0]:
            self._wire.recv(1)

    def receive(self, ports: tuple[int, int], timeout: float) -> Packet | None:
        """The next segment that the server sends to our port; None if there is none for `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while select.select([self._wire], [], [], max(0.0, deadline - time.monotonic()))[0]:
            data = self._wire.recv(1 << 16)
            record = struct.pack("<IIII", 0, 0, len(data), len(data)) + data
            for packet in read_packets(_PCAP_HEADER + record):
                if (packet.src, packet.dport, packet.sport) == (self.server, *ports):
                    return packet
        return None


@contextmanager
def raw_client(lab: Lab, *, ipv6: bool = False) -> Iterator[RawClient]:
    """A client behind the lab's client host for the length of a `with` block; one at a time for each family."""
    address = _ADDRESS_IPV6 if ipv6 else _ADDRESS_IPV4
    ether_type = _IPV6 if ipv6 else _IPV4
    route = ["ip", "-6" if ipv6 else "-4", "route"]
    (link,) = json.loads(lab.server.run(["ip", "-j", "link", "show", "dev", lab.server.interface]).stdout)
    destination = (lab.client.interface, ether_type, 0, 0, bytes.fromhex(link["address"].replace(":", "")))
    with ExitStack() as cleanup:
        for host, kind in (
            (lab.client, ["blackhole", address]),
            (lab.server, [address, "via", lab.client.address(ipv6=ipv6), "dev", lab.server.interface]),
        ):
            host.run([*route, "add", *kind])
            cleanup.callback(host.run, [*route, "delete", *kind], check=False)
        wire = cleanup.enter_context(_packet_socket(lab.client, ether_type))
        # Ports differ from one client to the next: the server may still have the connections of the last one.
        ports = itertools.count(20_000 + time.monotonic_ns() // 1_000_000 % 30_000)
        yield RawClient(address, lab.server.address(ipv6=ipv6), wire, destination, ports)


def _packet_socket(host: Host, ether_type: int) -> socket.socket:
    """A packet socket on a host's interface, opened by a thread that enters the namespace and ends there."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_open_in_namespace, host, ether_type).result()


def _open_in_namespace(host: Host, ether_type: int) -> socket.socket:
    namespace = os.open(NAMESPACES / host.namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, _NEW_NETWORK):
            raise LabError(f"cannot enter {host.namespace}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(namespace)
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ether_type))
    opened.bind((host.interface, ether_type))
    return opened
