"""What a path does to the packets of one direction, as a value and as text: `delay=40ms,loss=1,rate=20mbit`."""

import math
import re
from collections.abc import Callable
from typing import Any, Final

from optdsl.lab.errors import LabError
from optdsl.record import record, replace

_FULL_SIZE: Final = 1514
"""Bytes of the packets that fill a path: an Ethernet frame."""
_UNBOUNDED: Final = 1_000_000
"""Packets: more than any window of TCP covers."""


@record
class Shape:
    """One direction of a path: a line that delays and loses packets, behind a queue that empties at a rate.

    Raises LabError for values that no path can have.
    """

    delay: float = 0.0
    """Seconds that a packet is underway."""
    jitter: float = 0.0
    """Seconds by which the delay varies, to both sides; without a rate packets overtake each other."""
    loss: float = 0.0
    """Percent of the packets, each lost by chance."""
    rate: int = 0
    """Bits per second, with the Ethernet header (14 bytes) counted; 0 for as fast as the machine."""
    queue: int = 100
    """Packets that may wait for their turn where there is a rate; the next one is dropped."""

    def __post_init__(self) -> None:
        if not 0 <= self.jitter <= self.delay < math.inf:
            raise LabError(f"a path cannot have a delay of {self.delay:g} s with a jitter of {self.jitter:g} s")
        if not 0 <= self.loss <= 100:
            raise LabError(f"a path cannot lose {self.loss:g} % of its packets")
        if self.rate < 0 or self.queue < 1:
            raise LabError(f"a path cannot have a rate of {self.rate} bit/s and a queue of {self.queue} packets")

    @property
    def is_plain(self) -> bool:
        """Whether packets pass as they are."""
        return not (self.delay or self.loss or self.rate)

    def netem(self) -> list[str]:
        """The arguments of tc-netem(8).

        netem holds the packets that are underway in the same queue as those that wait, so both are counted.
        """
        underway = round((self.delay + self.jitter) * self.rate / 8 / _FULL_SIZE)
        arguments = ["limit", str(self.queue + underway if self.rate else _UNBOUNDED)]
        if self.delay:
            arguments += ["delay", f"{round(self.delay * 1e6)}us"]
        if self.jitter:
            arguments += [f"{round(self.jitter * 1e6)}us"]
        if self.loss:
            arguments += ["loss", f"{self.loss}%"]
        # What is not named becomes zero, except for a rate, which would stay as it was.
        return [*arguments, "rate", f"{self.rate}bit"]

    def token_bucket(self) -> list[str]:
        """The arguments of tc-tbf(8) for the rate and the queue alone, where there is no netem."""
        # A bucket must hold what arrives between two timer ticks: 20 ms are enough for HZ=100.
        burst = max(16_384, self.rate // 8 // 50)
        return ["rate", f"{self.rate}bit", "burst", str(burst), "limit", str(self.queue * _FULL_SIZE)]


def shape_of(text: str, base: Shape | None = None) -> Shape:
    """Reads `delay=40ms,loss=1`; what is not named is as in `base`. Raises LabError that says what would be right."""
    changes: dict[str, Any] = {}
    for setting in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = setting.partition("=")
        if name not in _READERS:
            raise LabError(f"`{name}` is no property of a path; there are: {', '.join(_READERS)}")
        changes[name] = _READERS[name](name, value)
    return replace(base or Shape(), **changes)


def shapes_of(text: str) -> tuple[Shape, Shape]:
    """Reads both directions: `delay=40ms,rate=20mbit/rate=1mbit`, the way back by what follows `/`."""
    there, _, back = text.partition("/")
    shape = shape_of(there)
    return shape, shape_of(back, shape)


def _reader(pattern: str, units: dict[str, float], example: str) -> Callable[[str, str], float]:
    def read(name: str, value: str) -> float:
        match = re.fullmatch(rf"(\d+(?:\.\d+)?)({pattern})", value, re.IGNORECASE)
        if match is None:
            raise LabError(f"`{name}={value}` is not understood; write {name}={example}")
        number = float(match[1]) * units[match[2].lower()]
        if not math.isfinite(number):
            raise LabError(f"the number of `{name}` is too large; write {name}={example}")
        return number

    return read


def _whole(read: Callable[[str, str], float]) -> Callable[[str, str], int]:
    return lambda name, value: round(read(name, value))


_TIME: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_RATE: Final = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_READERS: Final[dict[str, Callable[[str, str], float]]] = {
    "delay": _reader("s|ms|us", _TIME, "40ms"),
    "jitter": _reader("s|ms|us", _TIME, "5ms"),
    "loss": _reader("%?", {"": 1.0, "%": 1.0}, "1 (percent)"),
    "rate": _whole(_reader("[kmg]?bit", _RATE, "20mbit")),
    "queue": _whole(_reader("", {"": 1.0}, "100 (packets)")),
}
