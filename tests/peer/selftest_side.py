"""The kernel's selftest program on one host of a lab: told what to write, and asked what it has read.

Its globals are its interface: `active_syn_out`, `passive_synack_out`, `active_fin_out` and `passive_fin_out` go in,
`active_estab_in`, `passive_estab_in`, `active_fin_in` and `passive_fin_in` come out. "Active" is the client. Each side
loads an object of its own, so that the globals of client and server cannot be mixed up.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from optdsl.kernel.btf import Value
from optdsl.kernel.errors import KernelError
from optdsl.kernel.libbpf import Object
from optdsl.kernel.maps import Map
from optdsl.lab.hosts import Host
from peer.option import Option
from peer.scenario import Scenario

_PROGRAM: Final = "estab"
_PIDFD_GETFD: Final = 438
"""The number of pidfd_getfd(2), on every architecture."""
_MEMBERS: Final = ("flags", "max_delack_ms", "rand")


@dataclass(frozen=True, slots=True)
class SocketStorage:
    """What the program remembers of a connection, `struct hdr_stg`."""

    active: bool
    """True on the client."""
    resend_syn: bool
    """Client only: the server has asked for the option once more."""
    syncookie: bool
    """Server only: the SYN was not kept."""
    fastopen: bool
    """Server only: the connection was established by the SYN."""


@dataclass(frozen=True, slots=True)
class ProgramError:
    """Where the program gave up, `struct linum_err`: it writes and parses nothing from then on."""

    line: int
    """In the program's source."""
    error: int
    """What a helper returned, negative; 0 where the program itself found something wrong."""


@dataclass(frozen=True, slots=True)
class SelftestResults:
    """What the program has read so far; `NOTHING` where there was no option."""

    active_estab_in: Option
    """Client: from the SYN-ACK."""
    passive_estab_in: Option
    """Server: from the SYN, with SYN cookies from the ACK that ends the handshake."""
    active_fin_in: Option
    """Client: from the server's FIN."""
    passive_fin_in: Option
    """Server: from the client's FIN."""
    inherited_flags: int
    """Server: the callback flags of the new socket when it was established."""
    storage: dict[int, SocketStorage]
    """By local port, for the connections of the host that are not closed."""
    errors: dict[int, ProgramError]
    """By local port, for the first two ports."""


@dataclass(frozen=True, slots=True)
class SelftestSide:
    """The program as a side of a scenario; `object_file` comes from `kernel_selftest.compiled`."""

    object_file: Path

    @contextmanager
    def attach(self, host: Host, scenario: Scenario) -> Iterator[Callable[[], SelftestResults]]:
        """Puts the program on a host for the length of a `with` block, which gets the function that reads results."""
        with Object(self.object_file.read_bytes(), _PROGRAM) as loaded:
            _configure(loaded, scenario)
            loaded.load()
            loaded.attach_sock_ops(_PROGRAM, host.cgroup)
            yield lambda: _results(loaded, host)


def _configure(opened: Object, scenario: Scenario) -> None:
    """Sets the globals of an object that is not loaded yet."""
    data, bss = _section(opened, ".data"), _section(opened, ".bss")
    data.set_initial("test_kind", scenario.form.kind)
    data.set_initial("test_magic", scenario.form.exid or 0)
    sends = scenario.sends
    outputs = {
        "active_syn_out": sends.syn,
        "passive_synack_out": sends.synack,
        "active_fin_out": sends.client_fin,
        "passive_fin_out": sends.server_fin,
    }
    for name, option in outputs.items():
        for member in _MEMBERS:
            bss.set_initial(f"{name}.{member}", getattr(option, member))


def _section(opened: Object, suffix: str) -> Map:
    """The map of a data section, which libbpf names after the object."""
    return opened.map(f"{_PROGRAM}{suffix}")


def _results(loaded: Object, host: Host) -> SelftestResults:
    bss = _section(loaded, ".bss").read()
    assert isinstance(bss, dict)
    inherited = bss["inherit_cb_flags"]
    assert isinstance(inherited, int)
    return SelftestResults(
        active_estab_in=_option(bss["active_estab_in"]),
        passive_estab_in=_option(bss["passive_estab_in"]),
        active_fin_in=_option(bss["active_fin_in"]),
        passive_fin_in=_option(bss["passive_fin_in"]),
        inherited_flags=inherited,
        storage=_socket_storage(loaded.map("hdr_stg_map"), host),
        errors=program_errors(loaded),
    )


def _option(value: Value) -> Option:
    """A decoded `struct bpf_test_option`."""
    assert isinstance(value, dict)
    return Option(**{name: member for name, member in value.items() if isinstance(member, int)})


def program_errors(loaded: Object) -> dict[int, ProgramError]:
    """Where one of the selftest programs gave up, by local port; empty if all went as it should."""
    items = loaded.map("lport_linum_map").items()
    return {struct.unpack("=i", key)[0]: ProgramError(*struct.unpack("=Ii", value)) for key, value in items}


def _socket_storage(storage: Map, host: Host) -> dict[int, SocketStorage]:
    """The storage of every socket of a host, by local port.

    The key of a socket storage map is a descriptor of the calling process, so each socket is borrowed for a moment.
    """
    found: dict[int, SocketStorage] = {}
    for borrowed in _sockets_of(host):
        with borrowed, suppress(KernelError):  # EINVAL or the like: not a socket that can have storage
            value = storage.lookup(struct.pack("=i", borrowed.fileno()))
            if value is not None:
                found[borrowed.getsockname()[1]] = SocketStorage(*struct.unpack("=????", value))
    return found


def _sockets_of(host: Host) -> Iterator[socket.socket]:
    """A duplicate of every TCP socket that a process in the host's control group has open."""
    for pid in host.cgroup.pids():
        with suppress(ProcessLookupError, FileNotFoundError):
            process = os.pidfd_open(pid)
            try:
                for link in Path(f"/proc/{pid}/fd").iterdir():
                    if str(link.readlink()).startswith("socket:"):
                        yield from _tcp_only(_duplicate(process, int(link.name)))
            finally:
                os.close(process)


def _duplicate(process: int, descriptor: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.syscall(ctypes.c_long(_PIDFD_GETFD), ctypes.c_int(process), ctypes.c_int(descriptor), ctypes.c_uint(0))
    if made < 0:
        raise KernelError("cannot duplicate a socket of the lab", ctypes.get_errno())
    return socket.socket(fileno=made)


def _tcp_only(duplicate: socket.socket) -> Iterator[socket.socket]:
    if duplicate.family in (socket.AF_INET, socket.AF_INET6) and duplicate.type == socket.SOCK_STREAM:
        yield duplicate
    else:
        duplicate.close()
