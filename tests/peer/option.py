"""The option of the kernel's selftest program `test_tcp_hdr_options`: what is on the wire, in both of its forms.

    FE len EB 9F flags [max_delack_ms if bit 1] [rand if bit 2]      experimental (RFC 6994)
    B9 len       flags [max_delack_ms if bit 1] [rand if bit 2]      a kind of its own

Bit 0 of the flags asks the peer to send its option again; it has no byte. Flags of zero mean that nothing is sent.
Source: the description in tools/testing/selftests/bpf/test_tcp_hdr_options.h of Linux.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Final, Self

from optdsl.lab.pcap import Packet


class OptionFlag(IntFlag):
    """The first byte: what follows, and what is asked for."""

    RESEND = 1
    """The sender works with SYN cookies and has forgotten the SYN: send its option again."""
    MAX_DELACK_MS = 2
    RAND = 4


@dataclass(frozen=True, slots=True)
class Option:
    """The content of one option, `struct bpf_test_option` of the program. A value whose flag is unset is not sent."""

    flags: int = 0
    """A combination of `OptionFlag`; 0 for no option at all."""
    max_delack_ms: int = 0
    """The longest time that the sender delays an ACK, in milliseconds, 0 to 255."""
    rand: int = 0
    """Any byte."""

    @classmethod
    def of(cls, *, max_delack_ms: int | None = None, rand: int | None = None, resend: bool = False) -> Self:
        """An option with the flags that its content needs."""
        flags = OptionFlag.RESEND if resend else OptionFlag(0)
        if max_delack_ms is not None:
            flags |= OptionFlag.MAX_DELACK_MS
        if rand is not None:
            flags |= OptionFlag.RAND
        return cls(int(flags), max_delack_ms or 0, rand or 0)

    def encode(self) -> bytes:
        """The flags and the bytes that they announce."""
        content = [self.flags]
        if self.flags & OptionFlag.MAX_DELACK_MS:
            content.append(self.max_delack_ms)
        if self.flags & OptionFlag.RAND:
            content.append(self.rand)
        return bytes(content)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The option with that content. Raises ValueError if the length is not the one that the flags announce."""
        flags = data[0] if data else 0
        rest = iter(data[1:] + bytes(2))
        max_delack_ms = next(rest) if flags & OptionFlag.MAX_DELACK_MS else 0
        rand = next(rest) if flags & OptionFlag.RAND else 0
        option = cls(flags, max_delack_ms, rand)
        if option.encode() != data:
            raise ValueError(f"{data.hex(' ')} is not as long as its flags say")
        return option


NOTHING: Final = Option()
"""Not sent, or not received."""


@dataclass(frozen=True, slots=True)
class Form:
    """How the option is told from others."""

    kind: int
    exid: int | None

    def encode(self, option: Option) -> bytes:
        """The whole option, without padding; empty for `NOTHING`."""
        if not option.flags:
            return b""
        content = (b"" if self.exid is None else self.exid.to_bytes(2, "big")) + option.encode()
        return bytes([self.kind, 2 + len(content)]) + content

    def find(self, packet: Packet) -> Option:
        """The option of a packet; `NOTHING` if it has none. Raises ValueError as `Option.decode` does."""
        data = packet.option(self.kind, self.exid)
        return NOTHING if data is None else Option.decode(data)


EXPERIMENTAL: Final = Form(254, 0xEB9F)
OWN_KIND: Final = Form(0xB9, None)
