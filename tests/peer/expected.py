"""On which packets of a scenario the kernel's program has its option: what one of ours must do to take either side.

As measured between two hosts; the server's data and pure ACKs never have it.

- The client writes on every SYN. It goes on after the handshake only if the SYN-ACK asks for that (RESEND), on data and
  pure ACKs alike, until any packet from the server comes after the handshake.
- The server writes on the SYN-ACK only if the SYN had the option. With SYN cookies it sets RESEND there.
- A FIN has an option of its own, whatever the peer knows, and none of the repeated ones.
- A client that has an option for its FIN never stops repeating the other: it does not turn off its callbacks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from optdsl.lab.pcap import Flags
from peer import scenario
from peer.option import NOTHING, Option
from peer.scenario import Observation, Scenario


@dataclass(frozen=True, slots=True)
class Carried:
    """What is on the packets of one connection."""

    syn: Option = NOTHING
    synack: Option = NOTHING
    third_ack: Option = NOTHING
    client_data: Option = NOTHING
    """On all of it, but for what is on the SYN."""
    later_acks: Option = NOTHING
    """On all pure ACKs of the client but the third packet of the handshake."""
    client_fin: Option = NOTHING
    server_fin: Option = NOTHING
    server_rest: Option = NOTHING
    """On the server's data and pure ACKs."""


SYN: Final = Option.of(max_delack_ms=11, rand=0xFA)
SYNACK: Final = Option.of(max_delack_ms=22, rand=0xCE)
COOKIE_SYNACK: Final = Option.of(max_delack_ms=22, rand=0xCE, resend=True)
CLIENT_FIN: Final = Option.of(rand=0xFA)
SERVER_FIN: Final = Option.of(rand=0xCE)
_ESTABLISHED: Final = Carried(SYN, SYNACK)

EXPECTED: Final[Mapping[Scenario, Carried]] = {
    scenario.SIMPLE: _ESTABLISHED,
    scenario.OTHER_KIND: _ESTABLISHED,
    scenario.FAST_OPEN: _ESTABLISHED,
    scenario.TIMERS: _ESTABLISHED,
    scenario.ONLY_SYN: Carried(SYN),
    scenario.ONLY_SYNACK: Carried(),
    scenario.FIN: Carried(client_fin=CLIENT_FIN, server_fin=SERVER_FIN),
    scenario.ALL: Carried(SYN, SYNACK, client_fin=CLIENT_FIN, server_fin=SERVER_FIN),
    scenario.SYN_COOKIES: Carried(SYN, COOKIE_SYNACK, third_ack=SYN),
    scenario.COOKIES_AND_DATA: Carried(SYN, COOKIE_SYNACK, third_ack=SYN, client_data=SYN),
    scenario.COOKIES_AND_ANSWER: Carried(SYN, COOKIE_SYNACK, third_ack=SYN),
    scenario.COOKIES_AND_FIN: Carried(
        SYN,
        COOKIE_SYNACK,
        third_ack=SYN,
        client_data=SYN,
        later_acks=SYN,
        client_fin=CLIENT_FIN,
        server_fin=SERVER_FIN,
    ),
}
"""For both sides as the kernel's program plays them."""


def carried(seen: Observation[object, object]) -> Carried:
    """What was on the packets of a connection. Raises ValueError if packets of one sort differ."""
    client, server = seen.sent("client"), seen.sent("server")
    handshake_end, *later = [step for step in client if step.is_pure_ack]
    edges = Flags.SYN | Flags.FIN
    return Carried(
        syn=_common(step.option for step in client if step.flags & Flags.SYN),
        synack=_common(step.option for step in server if step.flags & Flags.SYN),
        third_ack=handshake_end.option,
        client_data=_common(step.option for step in client if step.payload and not step.flags & edges),
        later_acks=_common(step.option for step in later),
        client_fin=_common(step.option for step in client if step.flags & Flags.FIN),
        server_fin=_common(step.option for step in server if step.flags & Flags.FIN),
        server_rest=_common(step.option for step in server if not step.flags & edges),
    )


def _common(options: Iterable[Option]) -> Option:
    different = set(options)
    if len(different) > 1:
        raise ValueError(f"packets of one sort differ: {different}")
    return different.pop() if different else NOTHING
