"""Programs for throughput: an option on every packet of a connection, so that its cost shows.

The samples send theirs until it is acknowledged, for a handful of packets; `delack` is measured beside these.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from optdsl.backends.llvm import emit_object
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import Diagnostics
from optdsl.kernel.clang import compile_bpf
from optdsl.source import Source
from performance.handwritten_objects import SOURCES

_SOURCE: Final = """\
option tag {{
    kind experimental 0x5447

    layout {{
        value : u16 in 1..=60000
    }}

    param label : u16 = 30000 in 1..=60000

    send on ack, data {{
        value = label
    }}
    {receive}
}}
"""
_RECEIVE: Final[Mapping[str, str]] = {
    "insert": "",
    "insert and parse": "receive { }",
    "insert, parse, set": "receive { socket.user_timeout = value * 1ms }",
}
_DEFINED: Final[Mapping[str, tuple[str, ...]]] = {
    "insert": (),
    "insert and parse": ("-DPARSE_OPTIONS",),
    "insert, parse, set": ("-DPARSE_OPTIONS", "-DSET_TIMEOUT"),
}
SCENARIOS: Final = tuple(_RECEIVE)
"""Those of the framework's evaluation in the literature, after `no program`."""


def generated(scenario: str, folder: Path) -> Path:
    """The object of a scenario by the LLVM back end."""
    source = Source("tag.opt", _SOURCE.format(receive=_RECEIVE[scenario]))
    program = lower_program(analyse([source], Options("tag"), lambda _: None, Diagnostics()))
    made = folder / f"{scenario.replace(' ', '-')}.bpf.o"
    made.write_bytes(emit_object(program))
    return made


def by_hand(scenario: str, folder: Path) -> Path:
    """The same in C."""
    made = folder / f"{scenario.replace(' ', '-')}-by-hand.bpf.o"
    return compile_bpf(SOURCES / "tag.bpf.c", made, *_DEFINED[scenario])
