"""What `programs/mptcp_options.bpf.c` tries: socket options of level SOL_MPTCP, from a callback of sock_ops."""

from __future__ import annotations

import struct
from typing import Final

from kernel_patches.programs import LoadedProgram
from optdsl.record import record

MOST: Final = 16
"""Attempts of one run."""
_ATTEMPT: Final = struct.Struct("=IIQiiQ")


@record
class Attempt:
    """An option with a value of `length` bytes, 1 to 64, that begins with the eight of `value`."""

    option: int
    length: int
    value: int = 0


@record
class Answer:
    """What became of an attempt: 0, or an error number below it."""

    set: int
    get: int
    got: int
    """The first bytes that were read, as many as the option has, at most 8."""


class OptionTrial:
    """Attempts in one callback, and their answers."""

    def __init__(self, program: LoadedProgram, at: int, *attempts: Attempt) -> None:
        assert len(attempts) <= MOST
        self._program = program
        self._attempts = attempts
        self._map = program.map("attempts")
        for number, each in enumerate(attempts):
            content = _ATTEMPT.pack(each.option, each.length, each.value, 1, 1, 0)
            self._map.update(number.to_bytes(4, "little"), content)
        program.set("at", at)

    def calls(self) -> int:
        """How often the callback came."""
        count = self._program.value("calls")
        assert isinstance(count, int)
        return count

    def answers(self) -> list[Answer]:
        """Those of the last call, in the order of the attempts."""
        found = []
        for number, attempt in enumerate(self._attempts):
            content = self._map.lookup(number.to_bytes(4, "little"))
            assert content is not None
            *_, set_answer, get_answer, got = _ATTEMPT.unpack(content)
            found.append(Answer(set_answer, get_answer, got & ((1 << 8 * min(attempt.length, 8)) - 1)))
        return found
