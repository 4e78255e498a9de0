"""`optdsl demo FILE...`: compiles, and where the kernel allows it shows the program at work between two hosts."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optdsl.cli.errors import AlreadyToldError, CommandError, Status
from optdsl.cli.front_end import add_input_arguments, checked_program, told_diagnostics
from optdsl.cli.sources import program_name
from optdsl.cli.terminal import show_diagnostics

if TYPE_CHECKING:
    from optdsl.lab.demonstration import Demonstration, Run
    from optdsl.lab.pcap import Packet
    from optdsl.lab.sockets import SocketSnapshot
    from optdsl.semantics.model import CheckedProgram, Option

EXAMPLES = (("optdsl demo my_option.opt", "as root on Linux: packets, counters, the socket"),)
MOST_PACKETS = 12
_SHOWN = ("cwnd", "ssthresh", "rto", "ato", "rtt", "mss", "rcvmss", "advmss")
"""What of `ss -ti` is shown besides the congestion control; the rest differs from run to run anyway."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    add_input_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compiles the files, then runs a transfer without the program and one with it."""
    with tempfile.TemporaryDirectory(prefix="optdsl-demo-") as name:
        folder = Path(name)
        with told_diagnostics(arguments, output_on_stdout=True) as diagnostics:
            program = checked_program(arguments, program_name(arguments.files[0]), diagnostics)
            data = _object(program)
        object_file = folder / f"{program.name}.bpf.o"
        object_file.write_bytes(data)
        _report(program, data, object_file, asked_kernel=arguments.kernel is not None)
        if (reason := _why_not_here()) is not None:
            print(f"\nnot run here: {reason}\n`optdsl doctor` shows what is missing and how to get it")
            return Status.OK
        _show(program, _demonstrate(object_file, folder))
    return Status.OK


def _object(program: CheckedProgram) -> bytes:
    from optdsl.backends.llvm import emit_object
    from optdsl.cli.limits import told_limits
    from optdsl.compiler import lower_program

    lowered = lower_program(program)
    with told_limits(lowered.sources):
        return emit_object(lowered)


def _report(program: CheckedProgram, data: bytes, object_file: Path, *, asked_kernel: bool) -> None:
    from optdsl.cli.report import Outcome, report_text
    from optdsl.cli.terminal import style_of

    outcome = Outcome("object", object_file.name, data, asked_kernel=asked_kernel)
    print(report_text(program, outcome, style_of(sys.stdout)))


def _why_not_here() -> str | None:
    import os

    if os.geteuid() != 0:
        return "loading BPF programs and making network namespaces needs root"
    from optdsl.kernel.probe import why_not_kernel_tests

    return why_not_kernel_tests()


def _demonstrate(object_file: Path, folder: Path) -> Demonstration:
    from optdsl.kernel.errors import KernelError
    from optdsl.kernel.rejection import RejectedError
    from optdsl.lab.demonstration import demonstrate
    from optdsl.lab.errors import LabError

    try:
        return demonstrate(object_file, folder)
    except RejectedError as error:
        show_diagnostics(error.diagnostics)
        raise AlreadyToldError from error
    except (KernelError, LabError) as error:
        raise CommandError(f"the demonstration failed: {error}") from error


# --------------------------------------------------------------------------------------------------- output


def _show(program: CheckedProgram, seen: Demonstration) -> None:
    transfer = seen.after.transfer
    print(f"\ntwo hosts, {seen.client_address} (client) and {seen.server_address} (server), "
          f"with the program on both: HTTP {transfer.status}, {transfer.received} bytes")  # fmt: skip
    for option in program.options:
        _show_packets(option, seen)
    print("\ncounters")
    _show_counters("client", seen.client_counters)
    _show_counters("server", seen.server_counters)
    print("\nthe receiver's socket (ss -ti)")
    print(f"  before  {_socket_line(seen.before)}")
    print(f"  after   {_socket_line(seen.after)}")
    print(f"  changed {_changes(seen.before.receiver, seen.after.receiver)}")


def _show_packets(option: Option, seen: Demonstration) -> None:
    packets = seen.after.packets
    carrying = [(packet, data) for packet in packets if (data := _option_bytes(option, packet)) is not None]
    print(f"\npackets with option {option.name}: {len(carrying)} of {len(packets)}")
    start = packets[0].time if packets else 0.0
    rows = []
    for packet, data in carrying[:MOST_PACKETS]:
        sender = "client" if packet.src == seen.client_address else "server"
        rows.append((f"{packet.time - start:8.6f}s", sender, _what(packet), _decoded(option, data), data.hex(" ")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  " + "  ".join(map(str.ljust, row, widths)).rstrip())
    if len(carrying) > MOST_PACKETS:
        print(f"  ... and {len(carrying) - MOST_PACKETS} more")


def _what(packet: Packet) -> str:
    """The flags of a packet, and how much data it has."""
    flags = "|".join(flag.name or "" for flag in type(packet.flags) if flag in packet.flags)
    return f"{flags}, {packet.payload_length} bytes" if packet.payload_length else flags


def _option_bytes(option: Option, packet: Packet) -> bytes | None:
    from optdsl.backends.codec import is_option

    for kind, data in packet.options:
        whole = bytes((kind, len(data) + 2)) + data
        if is_option(option, whole):
            return whole
    return None


def _decoded(option: Option, data: bytes) -> str:
    from optdsl.backends.codec import Rejected, decode

    fields = decode(option, data)
    if isinstance(fields, Rejected):
        return fields.reason
    return " ".join(str(field) for field in fields)


def _show_counters(host: str, counters: dict[str, Any]) -> None:
    for option, values in counters.items():
        told = ", ".join(f"{name} {value}" for name, value in values.items() if value)
        print(f"  {host}  {option}: {told or 'nothing'}")


def _socket_line(seen: Run) -> str:
    if seen.receiver is None:
        return "(the connection was over too soon)"
    details = seen.receiver.details
    congestion = _congestion(seen.receiver)
    return " ".join([congestion, *(f"{name}:{details[name]}" for name in _SHOWN if name in details)])


def _congestion(socket: SocketSnapshot) -> str:
    """The congestion control stands in `ss -ti` as a bare word before `wscale`."""
    words = socket.raw.split()
    scaled = next((index for index, word in enumerate(words) if word.startswith("wscale")), 0)
    return words[scaled - 1] if scaled else "?"


def _changes(before: SocketSnapshot | None, after: SocketSnapshot | None) -> str:
    if before is None or after is None:
        return "unknown"
    steady = [name for name in _SHOWN if name != "rtt"]
    changed = [
        f"{name} {before.details[name]} -> {after.details[name]}"
        for name in steady
        if name in before.details and name in after.details and before.details[name] != after.details[name]
    ]
    if _congestion(before) != _congestion(after):
        changed.insert(0, f"{_congestion(before)} -> {_congestion(after)}")
    return ", ".join(changed) or "nothing that ss shows"
