"""What the kernel's verifier wrote about a program, read into values: the reason, where, the registers, the figures.

Takes the logs of all kernels from 5.10 on, of log levels 1, 2 and 4. What changed in between, and is read alike:

- 5.16 puts register states behind the instruction (`; R1=ctx()`) that had lines of their own before.
- 6.8 adds the place to quoted source lines (`; text @ uto.opt:12`).
- 7.3 adds a report of several sections below the terse reason (kernel/bpf/diagnostics.c).

Pure and total: any text gives a value, what is not recognised is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from optdsl.record import field, record

_INSTRUCTION: Final = re.compile(r"(\d{1,7}): \([0-9a-f]{2}\) (.*)")
_SOURCE: Final = re.compile(r"; (.*?)(?: @ (\S[^@]*):(\d{1,7}))?$")
_STATE: Final = re.compile(r"(?:\d{1,7}: |from \d+ to \d+(?: \([a-z ]+\))?: ?| )(?:safe$|(?=(?:frame\d+: )?R\d+\w*=))")
_FRAME: Final = re.compile(r"\s*frame(\d+): ")
_REGISTER: Final = re.compile(r"(?:^| )R(\d{1,2})(?:_\w+)?=")
_STACK_SLOT: Final = re.compile(r" (?:fp-?\d+|refs|cb|async_cb)(?:_\w+)?=")
_STATISTICS: Final = re.compile(
    r"processed (\d+) insns \(limit (\d+)\) max_states_per_insn \d+ total_states (\d+) peak_states (\d+)"
)
_TIME: Final = re.compile(r"verification time (\d+) usec")
_STACK: Final = re.compile(r"stack depth (\d+(?:\+\d+)*)")
_NARRATION: Final = re.compile(
    r"processed \d+ insns|verification time \d|stack depth \d|func#\d|Func#\d|Validating |mark_precise: |"
    r"last_idx \d|first_idx \d|regs=|parent |(?:caller|callee|returning from callee|to caller at \d+):|"
    r"from \d+ to \d+|live regs |Live regs |\s*\d+: [R.]|propagating |old state:|cur state:"
)
_HEADLINE: Final = "Verification failed: "
_SECTION: Final = re.compile(r"(Reason|At|Causal path|Suggestion):\s*(.*)")
_REPORT_PLACE: Final = re.compile(r"  (?:\S+ @ )?(\S.*?):(\d{1,7}):(\d{1,7})$")
_REPORT_INSTRUCTION: Final = re.compile(r"  >>> *(\d{1,7}) \| (?:\([0-9a-f]{2}\) )?(.*)")
_REPORT_SOURCE: Final = re.compile(r"  >>> *\d{1,7} \| (.*)")
_ERROR: Final = re.compile(r" +\| +\^-- error: (.*)")
_FOLDED: Final = re.compile(r" +\| {5,}(\S.*)")
_INDEX_IN_REASON: Final = re.compile(
    r"(?:unreachable insn|back-edge from insn|infinite loop detected at insn|jump out of range from insn|"
    r"jump into the middle of ldimm64 insn|jump to reserved code from insn|loop detected at insn) (\d{1,7})"
)
_NOWHERE: Final = re.compile(r"combined stack size|stack size of |tail_calls are not allowed")
"""Reasons found beside the walk over the instructions: the instruction printed last has nothing to do with them."""
_MOST_LINES: Final = 20_000
"""A log may have a million lines; what led to a rejection stands near its end."""
LOG_BLOCK: Final = re.compile(
    r"^(?:libbpf: )?prog '([^']*)': -- BEGIN PROG LOAD LOG --\n(.*?)(?:^-- END PROG LOAD LOG --$\n?|\Z)",
    re.DOTALL | re.MULTILINE,
)
"""How libbpf frames the log of a program (name, log) among its messages."""
_CALL: Final = re.compile(r"call ")
_CALLER_SAVED: Final = ("R1", "R2", "R3", "R4", "R5")


@record
class LogPlace:
    """A line of the source as a log quotes it; file empty and line 0 before Linux 6.8, column 0 before 7.3."""

    text: str
    file: str = ""
    line: int = 0
    column: int = 0


@record
class Statistics:
    """What it took to verify a program.

    `processed` counts instructions of all paths, `limit` is how many the kernel allows. `time` is in microseconds and
    `stack` the bytes of each function, the program's first; None and empty if the log level did not ask for them.
    """

    processed: int
    limit: int
    total_states: int
    peak_states: int
    time: int | None = None
    stack: tuple[int, ...] = ()


@record
class VerifierLog:
    """A log, read.

    `reason` is the kernel's own terse words on one line, empty if the program was accepted or the log was cut off.
    `annotation` (a remark on the line), `explanation` and `suggestion` are what kernels from 7.3 on add. `index` counts
    instructions (8-byte slots) from the start of the program as it was loaded, sub-programs included; None if the
    reason is not about one instruction. `registers` are the states known at that instruction, by name, in the kernel's
    notation. `lines` is the length of the log.
    """

    reason: str = ""
    category: str = ""
    annotation: str = ""
    explanation: str = ""
    suggestion: str = ""
    index: int | None = None
    instruction: str = ""
    place: LogPlace | None = None
    registers: Mapping[str, str] = field(default_factory=dict)
    statistics: Statistics | None = None
    lines: int = 0

    @property
    def summary(self) -> str:
        """A rejection on one line, empty without a reason: `R0 !read_ok (instruction 0: exit; log of 3 lines)`."""
        if not self.reason:
            return ""
        where = f"instruction {self.index}: {self.instruction}; " if self.index is not None and self.instruction else ""
        return f"{self.reason} ({where}log of {self.lines} {'line' if self.lines == 1 else 'lines'})"


def parse_log(text: str) -> VerifierLog:
    """Reads the log of one program. Never raises."""
    every = text.replace("\0", "").splitlines()
    lines = [line.rstrip() for line in every[-_MOST_LINES:]]
    start, report = _report(lines)
    walk = _Walk()
    for line in lines[:start]:
        walk.read(line)
    reason = _terse_reason(lines[:start]) or report.reason
    index, instruction, place = walk.index, walk.instruction, walk.place
    if report.index is not None:
        index, instruction, place = report.index, report.instruction, report.place or place
    elif found := _INDEX_IN_REASON.search(reason):
        index, known = int(found[1]), int(found[1]) == walk.index
        instruction, place = (instruction, place) if known else ("", None)
    elif _NOWHERE.search(reason):
        index, instruction, place = None, "", None
    return VerifierLog(
        reason=reason,
        category=report.category,
        annotation=report.annotation,
        explanation=report.explanation,
        suggestion=report.suggestion,
        index=index,
        instruction=instruction,
        place=place,
        registers=walk.registers if index == walk.index else {},
        statistics=_statistics(lines),
        lines=len(every),
    )


def logs_in(text: str) -> tuple[tuple[str, str], ...]:
    """The logs that libbpf or bpftool printed among other things: (name of the program, log).

    A text without libbpf's marks is one log of a program without a name; an empty text holds none.
    """
    blocks = tuple((name, log) for name, log in LOG_BLOCK.findall(text.replace("\r\n", "\n")))
    return blocks or ((("", text),) if text.strip() else ())


class _Walk:
    """Follows the instructions of a log, up to the one that was looked at last."""

    def __init__(self) -> None:
        self.index: int | None = None
        self.instruction = ""
        self.place: LogPlace | None = None
        self._frame = 0
        self._frames: dict[int, dict[str, str]] = {}

    @property
    def registers(self) -> dict[str, str]:
        return dict(self._frames.get(self._frame, {}))

    def read(self, line: str) -> None:
        if found := _INSTRUCTION.match(line):
            self._read_instruction(int(found[1]), found[2])
        elif line.startswith("; "):
            self.place = _place(line) or self.place
        elif found := _STATE.match(line):
            self._note(line[found.end() :], whole=True)

    def _read_instruction(self, index: int, rest: str) -> None:
        text, _, state = rest.partition(";")
        self.index, self.instruction = index, text.strip()
        if _CALL.match(text):
            for name in _CALLER_SAVED:
                self._frames.get(self._frame, {}).pop(name, None)
        self._note(state, whole=False)

    def _note(self, state: str, *, whole: bool) -> None:
        """Takes over a state, of all registers or of those that changed."""
        if found := _FRAME.match(state):
            self._frame = int(found[1])
            state = state[found.end() :]
        elif state.strip():
            self._frame = 0
        registers = self._frames.setdefault(self._frame, {})
        if whole:
            registers.clear()
        registers.update(_registers(state))


def _registers(state: str) -> Iterator[tuple[str, str]]:
    """The registers of a state such as `R1=ctx() R2_w=scalar(umax=7) fp-8=mmmm????`."""
    starts = list(_REGISTER.finditer(state))
    ends = [*(found.start() for found in starts[1:]), len(state)]
    for found, end in zip(starts, ends, strict=False):
        value = state[found.end() : end]
        if slot := _STACK_SLOT.search(value):
            value = value[: slot.start()]
        yield f"R{int(found[1])}", value.strip()


def _place(line: str) -> LogPlace | None:
    """The place in a quoted source line; None for code that belongs to no line."""
    found = _SOURCE.match(line)
    if found is None or not found[1].strip() or found[3] == "0":
        return None
    return LogPlace(found[1].strip(), found[2] or "", int(found[3] or 0))


def _terse_reason(lines: Sequence[str]) -> str:
    """The last run of lines that narrate nothing, on one line."""
    reason: list[str] = []
    for line in reversed(lines):
        if line.startswith(("cur state:", "old state:")):
            continue
        if not line.strip() or line.startswith("; ") or line == ";" or _is_narration(line):
            if reason:
                break
            continue
        if found := _SECTION.fullmatch(line):
            line = found[2]  # noqa: PLW2901
        reason.insert(0, line.strip())
    return "; ".join(line for line in reason if line)


def _is_narration(line: str) -> bool:
    return bool(_INSTRUCTION.match(line) or _STATE.match(line) or _NARRATION.match(line))


def _statistics(lines: Sequence[str]) -> Statistics | None:
    """The figures at the end of a log."""
    time: int | None = None
    stack: tuple[int, ...] = ()
    for line in reversed(lines):
        if found := _TIME.match(line):
            time = int(found[1])
        elif found := _STACK.match(line):
            stack = tuple(int(depth) for depth in found[1].split("+"))
    for line in reversed(lines):
        if found := _STATISTICS.match(line):
            processed, limit, total, peak = (int(number) for number in found.groups())
            return Statistics(processed, limit, total, peak, time, stack)
    return None


# ------------------------------------------------------------------------------- the report of Linux 7.3


@record
class _Report:
    category: str = ""
    reason: str = ""
    annotation: str = ""
    explanation: str = ""
    suggestion: str = ""
    index: int | None = None
    instruction: str = ""
    place: LogPlace | None = None


def _report(lines: Sequence[str]) -> tuple[int, _Report]:
    """Where the report begins, which is behind the last line if there is none, and what it says."""
    start = next((number for number in reversed(range(len(lines))) if lines[number].startswith(_HEADLINE)), None)
    if start is None:
        return len(lines), _Report()
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines[start + 1 :]:
        if _NARRATION.match(line):
            break
        if found := _SECTION.fullmatch(line):
            current = sections.setdefault(found[1], [])
            current += [found[2]] if found[2] else []
        elif line.strip():
            current.append(line)
    category, _, problem = lines[start].removeprefix(_HEADLINE).partition(": ")
    index, instruction, place = _report_place(sections.get("At", ()))
    text = {name: " ".join(line.strip() for line in found) for name, found in sections.items()}
    return start, _Report(
        category=category,
        reason=problem,
        annotation=_annotation(sections.get("At", ())),
        explanation=text.get("Reason", ""),
        suggestion=text.get("Suggestion", ""),
        index=index,
        instruction=instruction,
        place=place,
    )


def _annotation(lines: Sequence[str]) -> str:
    """The remark below the line at fault, which may be folded.

    |     ^-- error: policy check failed for
    |         a call of bpf_x
    """
    parts: list[str] = []
    for line in lines:
        found = (_FOLDED if parts else _ERROR).match(line)
        if found:
            parts.append(found[1])
        elif parts:
            break
    return " ".join(parts)


def _report_place(lines: Sequence[str]) -> tuple[int | None, str, LogPlace | None]:
    """Instruction and source line of the section `At`.

    program @ uto.opt:12:9
    Source context:
    >>> 12 |         timeout = wish
    """
    index, instruction, place = None, "", None
    is_source = False
    for line in lines:
        if place is None and (found := _REPORT_PLACE.match(line)):
            place = LogPlace("", found[1], int(found[2]), int(found[3]))
        elif line.startswith("  Source context:"):
            is_source = True
        elif line.startswith("  Instruction context:"):
            is_source = False
        elif is_source and place and not place.text and (found := _REPORT_SOURCE.match(line)):
            place = LogPlace(found[1].strip(), place.file, place.line, place.column)
        elif not is_source and index is None and (found := _REPORT_INSTRUCTION.match(line)):
            index, instruction = int(found[1]), found[2]
    return index, instruction, place if place and place.line else None
