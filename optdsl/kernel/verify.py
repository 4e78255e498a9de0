"""Asks the running kernel's verifier about the programs of an object: each is loaded, and gone again at once.

    for verdict in verify(Path("uto.bpf.o").read_bytes(), "uto"):
        print(verdict.program, verdict.is_accepted, verdict.statistics)

Nothing is attached or pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from optdsl.diagnostics import Diagnostic
from optdsl.elf.object import ObjectFile, read_object
from optdsl.kernel.errors import KernelError
from optdsl.kernel.libbpf import Object
from optdsl.kernel.rejection import diagnose, rejected_program
from optdsl.kernel.verifier_log import Statistics, logs_in, parse_log
from optdsl.record import record
from optdsl.source import Source

_NARRATED: Final = 1
"""BPF_LOG_LEVEL1: the instructions, and since Linux 7.3 a report."""
_FIGURES: Final = 4
"""BPF_LOG_STATS: the figures; the bare reason of a rejection is always there."""


@record
class Verdict:
    """What the verifier says of one program: `rejection` is None if it accepts it.

    `xlated` and `jited` are bytes, as the verifier left the program and as machine code (0 without a JIT, both 0 for a
    rejected program). `log` is the kernel's whole log.
    """

    program: str
    rejection: Diagnostic | None
    statistics: Statistics | None
    xlated: int
    jited: int
    log: str

    @property
    def is_accepted(self) -> bool:
        return self.rejection is None


def verify(data: bytes, name: str, sources: Sequence[Source] = ()) -> tuple[Verdict, ...]:
    """The verdict on each program of an object, in the order of the file. `sources` are the texts it was compiled from.

    Raises ObjectError for what is no object, and KernelError for what fails before or beside the verifier: privileges
    that lack, maps that the kernel does not know.
    """
    obj = read_object(data)
    with Object(data, name) as opened:
        programs = opened.programs
    return tuple(_verdict(data, name, program, obj, sources) for program in programs)


def verdicts_in(text: str, data: bytes, sources: Sequence[Source] = ()) -> tuple[Verdict, ...]:
    """The verdicts that a saved output of libbpf or bpftool, or a bare log, holds on programs of an object.

    Raises ObjectError for what is no object.
    """
    obj = read_object(data)
    verdicts = []
    for name, log in logs_in(text):
        program = name or (obj.programs[0].name if len(obj.programs) == 1 else "program")
        read = parse_log(log)
        if not name and read.statistics is None and read.index is None:
            continue  # some other text
        rejection = diagnose(read, program, obj, sources) if read.reason else None
        verdicts.append(Verdict(program, rejection, read.statistics, 0, 0, log))
    return tuple(verdicts)


def _verdict(data: bytes, name: str, program: str, obj: ObjectFile, sources: Sequence[Source]) -> Verdict:
    """A program is loaded for the figures first; only a rejected one is loaded again, for the whole log.

    The log of a large program may not fit any buffer, which hides the reason on kernels before 6.4; with the figures
    alone it always fits.
    """
    try:
        with Object(data, name, log_level=_FIGURES) as opened:
            opened.load_only(program)
            opened.load()
            sizes = opened.program_sizes(program)
            log = opened.verifier_log
            return Verdict(program, None, parse_log(log).statistics, *sizes, log)
    except KernelError as error:
        if rejected_program(error) is None:
            raise
        short = error.verifier_log
    log = _whole_log(data, name, program)
    read = parse_log(log)
    if not read.reason:
        read = parse_log(short)
    return Verdict(program, diagnose(read, program, obj, sources), read.statistics, 0, 0, log or short)


def _whole_log(data: bytes, name: str, program: str) -> str:
    with Object(data, name, log_level=_NARRATED) as opened:
        opened.load_only(program)
        try:
            opened.load()
        except KernelError as error:
            return error.verifier_log
    return ""
