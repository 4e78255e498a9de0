"""The functions of one option, as the kernel's callbacks call them."""

from __future__ import annotations

from optdsl.ir.program import Function
from optdsl.lower.memory import Memory
from optdsl.lower.receiver import Receiver
from optdsl.lower.sender import Sender
from optdsl.record import record
from optdsl.semantics import model

MOST_INLINED = 8
"""With more options than this, their functions stay sub-programs: one function must not outgrow BPF's jumps."""


@record
class Part:
    """One option and what was made for it; None where it does no such thing."""

    option: model.Option
    compose: Function | None
    compose_syn: Function | None
    compose_synack: Function | None
    receive: Function | None
    handlers: tuple[tuple[model.Handler, Function], ...]

    @property
    def functions(self) -> tuple[Function, ...]:
        """All of them."""
        made = (self.compose, self.compose_syn, self.compose_synack, self.receive)
        return (*(each for each in made if each is not None), *(function for _, function in self.handlers))

    @property
    def sends_from_sockets(self) -> bool:
        """Whether the option is ever on packets other than SYN-ACKs."""
        return self.compose is not None or self.compose_syn is not None


def make_parts(memory: Memory) -> list[Part]:
    """The functions of every option, in the order in which options share the space."""
    inline = len(memory.program.options) <= MOST_INLINED
    return [_make_part(memory, option, inline) for option in memory.program.options]


def _make_part(memory: Memory, option: model.Option, inline: bool) -> Part:
    sender, receiver = Sender(memory, option, inline), Receiver(memory, option, inline)
    return Part(
        option,
        sender.compose(),
        sender.compose_syn(),
        sender.compose_synack(),
        receiver.receive(),
        tuple(receiver.handlers()),
    )
