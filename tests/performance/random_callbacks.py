"""Random callbacks of one connection, the same for each machine that gets the same random numbers.

Also what no kernel does in this order: it is the programs that are compared.
"""

from __future__ import annotations

import random
from typing import Final

from optdsl.targets.sockops import SockOp
from performance.handwritten_objects import OPTION_NAMES
from performance.object_machine import ObjectMachine
from performance.paths import Connection, Step

OPTIONS: Final = {
    "delack": bytes.fromhex("fd0644410204"),
    "uto": bytes.fromhex("1c04803c"),
    "cc": bytes.fromhex("fd05434302"),
    "iw": bytes.fromhex("fd0649570010"),
    "selftest": bytes.fromhex("fe07eb9f060bfa"),
}
"""By sample: an option that its receiver accepts."""
_CALLBACKS: Final = 60


def random_callbacks(machine: ObjectMachine, chance: random.Random, sample: str) -> list[Step]:
    """A connection of random length, with random params."""
    machine.set_variable(OPTION_NAMES[sample], 0, bytes([chance.choice((0, 1, 7, 255))]))
    if sample != "selftest":
        machine.set_variable("settings", 0, bytes([chance.choice((0, 1, 3, 16)), 0]))
    socket = Connection(machine, f"{chance.random()}")
    first = chance.choice((SockOp.TCP_CONNECT_CB, SockOp.PASSIVE_ESTABLISHED_CB, SockOp.TCP_LISTEN_CB))
    socket.call("first", first, _fields(chance), options=_option(chance, sample), syn=_option(chance, sample))
    for _ in range(chance.randrange(_CALLBACKS)):
        _callback(socket, chance, sample)
    return socket.steps


def _callback(socket: Connection, chance: random.Random, sample: str) -> None:
    match chance.randrange(8):
        case 0:
            operation = chance.choice((SockOp.ACTIVE_ESTABLISHED_CB, SockOp.PASSIVE_ESTABLISHED_CB))
            socket.call("established", operation, _fields(chance), options=_option(chance, sample))
        case 1 | 2:
            socket.call("parse", SockOp.PARSE_HDR_OPT_CB, _fields(chance), options=_option(chance, sample))
        case 3:
            socket.segment_size("mss", chance.choice((28, 4)))
        case 4:
            socket.acknowledged = socket.sent
        case _:
            occupied = OPTIONS[sample] if chance.random() < 0.1 else b""  # of another program
            flags = chance.choice((0x10, 0x10, 0x18, 0x11, 0x02, 0x12, 0x14))
            payload, space = chance.choice((0, 1, 1448)), chance.choice((28, 28, 28, 4, 0))
            socket.send("packet", payload, flags, space=space, occupied=occupied, fields=_fields(chance))


def _fields(chance: random.Random) -> dict[str, int]:
    """Members of the context that programs read."""
    return {
        "rtt_min": chance.choice((0, 100, 40_000, 10_000_000)),
        "segs_in": chance.choice((1, 2, 3)),
        "family": chance.choice((2, 10)),
        "remote_ip4": int.from_bytes(bytes([chance.choice((10, 11, 192)), chance.choice((0, 168)), 0, 1]), "little"),
        "remote_ip6[0]": chance.choice((0xFD, 0x20)),
    }


def _option(chance: random.Random, sample: str) -> bytes:
    """Options of a packet: those of the sample as they should be, with a wrong byte or length, or others."""
    option = bytearray(OPTIONS[sample])
    start = 2 if sample == "uto" else 4
    match chance.randrange(7):
        case 0:
            return b"\x4d\x04ab"
        case 6:
            return b"\x4d\x01" + bytes(option)
        case 1:
            option[1] -= 1
            return bytes(option[:-1])
        case 2:
            option[1] += 2
            return bytes(option) + b"zz"
        case 3 | 4:
            option[chance.randrange(start, len(option))] = chance.choice((0, 1, 64, 65, 200, 255))
    return b"\x01" + bytes(option)
