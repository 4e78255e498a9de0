"""What the kernel tells about the TCP sockets of a host, by ss(8) of iproute2."""

import re
from typing import Final

from optdsl.lab.hosts import Host
from optdsl.record import record

_LINE: Final = re.compile(
    r"(?P<state>\S+)\s+(?P<recv_q>\d+)\s+(?P<send_q>\d+)\s+(?P<local>\S+)\s+(?P<remote>\S+)(?P<rest>.*)"
)
_DETAIL: Final = re.compile(
    r"(?P<name>\w+):(?P<value>\([^()]*(?:\([^()]*\)[^()]*)*\)|\S+)"  # cwnd:10, timer:(on,200ms,0)
    r"|(?P<rate_name>\w+) (?P<rate>[\d.]+)bps\b"  # pacing_rate 749168640000bps
    r"|(?P<flag>[A-Za-z][\w-]*)"  # sack, app_limited
)


@record
class Endpoint:
    """Address and port; the port of a wildcard is 0."""

    address: str
    port: int


@record
class SocketSnapshot:
    """One TCP socket at one moment."""

    state: str
    """As ss writes it: `ESTAB`, `LISTEN`, `FIN-WAIT-1`, ..."""
    recv_q: int
    send_q: int
    local: Endpoint
    remote: Endpoint
    details: dict[str, str]
    """What follows the addresses: `cwnd`, `rto`, `rtt`, `timer`, ...; rates in bits per second; a flag maps to ""."""
    raw: str

    def number(self, name: str) -> float:
        """A detail as a number, the first of several (`rtt:0.05/0.02`). KeyError if it is absent."""
        match = re.match(r"[\d.]+", self.details[name])
        if match is None:
            raise KeyError(f"{name} is {self.details[name]!r}, not a number")
        return float(match[0])


def snapshot(host: Host, *, port: int | None = None) -> list[SocketSnapshot]:
    """The TCP sockets of a host, listening ones included; with `port`, those that have it on either end."""
    expression = [f"( sport = :{port} or dport = :{port} )"] if port is not None else []
    return parse_ss(host.run(["ss", "-tainOHe", "-o", *expression]).stdout)


def parse_ss(text: str) -> list[SocketSnapshot]:
    """Reads what `ss -tinOH` prints, one socket a line; other lines are passed over."""
    return [_snapshot(match, line) for line in text.splitlines() if (match := _LINE.match(line))]


def _snapshot(match: re.Match[str], line: str) -> SocketSnapshot:
    details: dict[str, str] = {}
    for found in _DETAIL.finditer(match["rest"]):
        if found["name"]:
            details[found["name"]] = found["value"]
        elif found["rate_name"]:
            details[found["rate_name"]] = found["rate"]
        else:
            details[found["flag"]] = ""
    return SocketSnapshot(
        state=match["state"],
        recv_q=int(match["recv_q"]),
        send_q=int(match["send_q"]),
        local=_endpoint(match["local"]),
        remote=_endpoint(match["remote"]),
        details=details,
        raw=line,
    )


def _endpoint(text: str) -> Endpoint:
    address, _, port = text.rpartition(":")
    return Endpoint(address.split("%")[0].strip("[]"), int(port) if port.isdecimal() else 0)
