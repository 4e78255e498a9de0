"""A rejection by the verifier as a diagnostic at the line of the source that it is about.

    raise explained(error, data)      # a RejectedError with diagnostics, if the verifier is behind the KernelError

Lines are those that the object quotes in `.BTF.ext`; nothing is read from the disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from optdsl.diagnostics import Diagnostic, Label
from optdsl.diagnostics import kernel as wording
from optdsl.diagnostics.render import render_all
from optdsl.elf.errors import ObjectError
from optdsl.elf.model import Function, ObjectFile, SourceLine
from optdsl.elf.object import read_object
from optdsl.kernel.errors import KernelError
from optdsl.kernel.verifier_log import LogPlace, VerifierLog, parse_log
from optdsl.kernel.verifier_place import Linked, line_at, linked
from optdsl.kernel.verifier_reasons import Explanation, Kind, explain
from optdsl.kernel.verifier_registers import in_words
from optdsl.source import Source, Span

_LOAD_FAILED: Final = re.compile(r"prog '([^']*)': BPF program load failed")
_ALLOCATED: Final = re.compile(r"Unreleased reference id=\d+ alloc_insn=(\d{1,7})")
_REGISTERS: Final = re.compile(r"\b[rwR](\d{1,2})\b")
_WRITTEN: Final = re.compile(r"[rw]\d{1,2} = ")
_LARGEST_LINE: Final = 1 << 20
"""Line numbers beyond this stem from a damaged object: the format allows four times as many."""
_OWN_ENDING: Final = ".opt"
_REPORT: Final = (
    "this is a defect of optdsl, not of your program; please report it with {file} and what "
    "`optdsl verify --log {file}` prints"
)


class RejectedError(KernelError):
    """The verifier rejected a program. `diagnostics` say where and why."""

    def __init__(self, error: KernelError, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(error.what, error.errno, error.message, error.verifier_log)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return f"{self.what}\n{render_all(self.diagnostics).rstrip()}"


def explained(error: KernelError, data: bytes, sources: Sequence[Source] = ()) -> KernelError:
    """A RejectedError for an error in loading the object `data`, or `error` as it is if the verifier took no part."""
    name = rejected_program(error)
    if name is None:
        return error
    try:
        obj = read_object(data)
    except ObjectError:
        return error
    return RejectedError(error, (diagnose(parse_log(error.verifier_log), name, obj, sources),))


def rejected_program(error: KernelError) -> str | None:
    """The name of the program that the verifier rejected; None if loading failed for another reason."""
    found = _LOAD_FAILED.search(error.message)
    return found[1] if found and parse_log(error.verifier_log).reason else None


def diagnose(log: VerifierLog, name: str, obj: ObjectFile, sources: Sequence[Source] = ()) -> Diagnostic:
    """The diagnostic for a rejected program of an object. `sources` are texts at hand, used instead of quoted lines."""
    program = next((each for each in obj.programs if each.name == name), None)
    functions = linked(obj, program) if program else ()
    explanation = explain(log.reason)
    place = _line_of(log, functions)
    texts = _Texts(obj, sources)
    span = texts.span(place) if place else None
    is_ours = any(line.file.endswith(_OWN_ENDING) for each in functions for line in each.function.lines)
    label = explanation.label or log.annotation
    notes = [*_unplaced(log, place, label)] if span is None else []
    found = wording.Rejection(
        name, span, label, tuple(_second_labels(log, functions, texts, span)),
        (*notes, *_notes(log, explanation)), _advice(log, explanation, is_ours, place),
    )  # fmt: skip
    return _WORDING[explanation.kind](found)


_WORDING: Final[dict[Kind, Callable[[wording.Rejection], Diagnostic]]] = {
    Kind.REJECTED: wording.rejected,
    Kind.NOT_OFFERED: wording.not_offered,
    Kind.LIMIT: wording.beyond_limit,
}


def _line_of(log: VerifierLog, functions: tuple[Linked, ...]) -> SourceLine | None:
    """The line at fault: by the instruction, unless the log quotes another one; without both that of the program."""
    index = log.index
    found = line_at(functions, 0 if index is None else index)
    quoted = log.place
    if quoted is None or (found and _is_quoted(found, quoted)):
        return found
    if quoted.line:  # logs quote lines without their indentation, so columns mean nothing there
        return SourceLine(index or 0, quoted.file, quoted.line, 0, quoted.text)
    alike = (line for each in functions for line in each.function.lines if line.text.strip() == quoted.text)
    return next(alike, found)


def _is_quoted(line: SourceLine, quoted: LogPlace) -> bool:
    """Whether a log means this line; the reports of 7.3 cut long texts short."""
    return line.text.strip() == quoted.text or (line.file, line.line) == (quoted.file, quoted.line)


def _second_labels(
    log: VerifierLog, functions: tuple[Linked, ...], texts: _Texts, span: Span | None
) -> Iterator[Label]:
    """Where what is never released was obtained."""
    if found := _ALLOCATED.search(log.reason):
        place = line_at(functions, int(found[1]))
        where = texts.span(place) if place else None
        if where is not None and where != span:
            yield Label(where, "obtained here")


def _unplaced(log: VerifierLog, place: SourceLine | None, label: str) -> Iterator[str]:
    """What would stand at the line, where there is none to show."""
    text = place.text.strip() if place else log.place.text if log.place else ""
    at = f"at {place.file}:{place.line}" if place else "at the line"
    if place or text:
        yield f"{at}: {text}" if text else at
    if label:
        yield label


def _notes(log: VerifierLog, explanation: Explanation) -> Iterator[str]:
    yield f"the kernel's words: {log.reason or 'none; its log was cut off'}"
    if log.explanation:
        yield log.explanation
    if log.index is not None and log.instruction:
        yield f"instruction {log.index}: {log.instruction}"
    if log.index is not None and explanation.kind is Kind.REJECTED:
        known = [f"{name} is {in_words(log.registers[name])}" for name in _concerned(log) if log.registers.get(name)]
        if known:
            yield "; ".join(known)


def _concerned(log: VerifierLog) -> Sequence[str]:
    """The registers that the reason names or, if it names none, those that the instruction reads."""
    read = _WRITTEN.sub("", log.instruction)
    return next((named for text in (log.reason, read) if (named := _named(text))), [])


def _named(text: str) -> list[str]:
    return list(dict.fromkeys(f"R{found[1]}" for found in _REGISTERS.finditer(text)))


def _advice(log: VerifierLog, explanation: Explanation, is_ours: bool, place: SourceLine | None) -> str:
    """What to do. No program that the compiler accepts may be rejected, unless the kernel lacks something."""
    if not is_ours:
        return log.suggestion or explanation.advice
    file = place.file if place else "the file"
    match explanation.kind:
        case Kind.NOT_OFFERED:
            return f"`optdsl check --kernel V {file}` shows what a kernel of version V does not offer"
        case Kind.LIMIT:
            return f"{explanation.advice}; and report it with {file}, since the compiler should have told"
        case Kind.REJECTED:
            return _REPORT.format(file=file)


class _Texts:
    """Sources to point into: those at hand, and for other files texts made of the lines that the object quotes."""

    def __init__(self, obj: ObjectFile, sources: Sequence[Source]) -> None:
        self._obj = obj
        self._known = {source.base_name: source for source in sources}
        self._made: dict[str, Source] = {}

    def span(self, place: SourceLine) -> Span | None:
        """The statement at a place: from its column to the end of the line. None for lines that are not to be had."""
        if not 1 <= place.line <= _LARGEST_LINE:
            return None
        source = self._source(place)
        line = source.line_text(place.line)
        if not line.strip():  # gcc quotes no lines, and neither does clang where it does not find the file
            return None
        start = sum(len(each) + 1 for each in source.text.split("\n")[: place.line - 1])
        first = len(line) - len(line.lstrip())
        last = max(first, len(line.rstrip().removesuffix("{").rstrip()))
        if first < place.column <= last and (line[place.column - 1].isalnum() or line[place.column - 1] == "_"):
            first = place.column - 1
        return Span(source, start + first, start + last)

    def _source(self, place: SourceLine) -> Source:
        known = self._known.get(place.file)
        if known is not None and known.line_text(place.line).strip() == place.text.strip():
            return known
        if place.file not in self._made:
            self._made[place.file] = Source(place.file, _quoted(self._obj, place))
        return self._made[place.file]


def _quoted(obj: ObjectFile, place: SourceLine) -> str:
    """A file as far as the object quotes it: the other lines are empty."""
    functions: tuple[Function, ...] = (*obj.programs, *obj.subprograms)
    found = {
        line.line: line.text.replace("\n", " ").replace("\r", " ")
        for function in functions
        for line in function.lines
        if line.file == place.file and 1 <= line.line <= _LARGEST_LINE
    }
    found.setdefault(place.line, place.text)
    return "\n".join(found.get(number, "") for number in range(1, max(found) + 1))
