"""Suites of programs in Markdown, in the manner of ruff's and ty's mdtest.

A heading that has fences below it is a case; the fences are its files, checked together as one program:

    ```opt                    a whole file
    ```opt receive            the body of the frame `receive`
    ```opt module=a.b         a module that `use a.b` finds
    ```opt kernel=5.10        compiled for a kernel; `timestamps=off` for a budget without them

A fence "```opt frame=receive" declares a frame for the rest of the document: a file with one line `...`, in whose
place bodies are put.

What the checker is expected to say stands in the program, on the line that it is about, or below it with a `^` for
each line upwards:

    x = a + b      //~ error[OPT0203] `a + b`: value may not fit | 0..=510 here, `x` holds 0..=255

The text in back-ticks is what the span covers (without its further lines), the text behind the bar the label; both
may be left out. A program without expectations must be accepted in silence. Everything said beyond what is expected
is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from optdsl import resources
from optdsl.compiler import Options, analyse
from optdsl.diagnostics import CompileError, Diagnostic, Diagnostics
from optdsl.record import replace
from optdsl.semantics.model import CheckedProgram
from optdsl.source import Source
from optdsl.targets import mainline
from optdsl.targets.version import KernelVersion

HERE = Path(__file__).parent
_EXPECTED = re.compile(
    r"//~(?P<up>\^*) (?P<severity>error|warning)\[(?P<code>OPT\d{4})\](?: `(?P<covered>.*?)`)?: "
    r"(?P<message>.*?)(?: \| (?P<label>.*?))?\s*(?=//~|$)"
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A finding that must be told, and where."""

    file: str
    line: int
    severity: str
    code: str
    message: str
    covered: str | None
    label: str | None

    def meets(self, found: Diagnostic) -> bool:
        span = found.span
        return (
            span is not None
            and (span.source.name, span.line) == (self.file, self.line)
            and (found.severity.value, found.code, found.message) == (self.severity, self.code, self.message)
            and self.covered in (None, _first_line(span.text))
            and self.label in (None, found.label)
        )

    def __str__(self) -> str:
        return _shown(
            self.file, self.line, self.severity, self.code, self.message, self.covered or "", self.label or ""
        )


@dataclass(slots=True)
class Case:
    """A program under a heading. `origin` is the document and the line of its heading."""

    name: str
    origin: str
    sources: list[Source] = field(default_factory=list)
    modules: dict[str, Source] = field(default_factory=dict)
    options: Options = field(default_factory=Options)

    @property
    def expectations(self) -> list[Expectation]:
        return [each for source in (*self.sources, *self.modules.values()) for each in _expectations(source)]

    def check(self, sources: list[Source] | None = None) -> tuple[CheckedProgram | None, list[Diagnostic]]:
        """What the checker makes of the case, or of other texts in the place of its files."""
        diagnostics = Diagnostics()
        try:
            program = analyse(sources or self.sources, self.options, self._load, diagnostics)
        except CompileError as error:
            return None, [*diagnostics.found, *error.diagnostics]
        return program, diagnostics.found

    def differences(self) -> list[str]:
        """What was expected and not said, or said and not expected, one line each."""
        program, found = self.check()
        expected = self.expectations
        rest = list(found)
        missing = []
        for each in expected:
            met = next((finding for finding in rest if each.meets(finding)), None)
            if met is None:
                missing.append(each)
            else:
                rest.remove(met)
        lines = [f"expected  {each}" for each in missing] + [f"told      {describe(each)}" for each in rest]
        if (program is None) != any(each.is_error for each in found):
            lines.append("a program is accepted if and only if it has no error")
        return lines

    def _load(self, name: str) -> Source | None:
        if name in self.modules:
            return self.modules[name]
        text = resources.module_text(name.removeprefix("std.")) if name.startswith("std.") else None
        return None if text is None else Source(name, text)


def describe(found: Diagnostic) -> str:
    """A diagnostic in the form of an expectation."""
    span = found.span
    if span is None:
        return f"{found.severity.value}[{found.code}]: {found.message}"
    covered = _first_line(span.text)
    return _shown(span.source.name, span.line, found.severity.value, found.code, found.message, covered, found.label)


def _shown(file: str, line: int, severity: str, code: str, message: str, covered: str, label: str) -> str:
    quoted, behind = f" `{covered}`" if covered else "", f" | {label}" if label else ""
    return f"{file}:{line}: {severity}[{code}]{quoted}: {message}{behind}"


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].split("//~", 1)[0].rstrip()


def _expectations(source: Source) -> Iterator[Expectation]:
    for number, line in enumerate(source.text.split("\n"), start=1):
        found = list(_EXPECTED.finditer(line))
        assert len(found) == line.count("//~"), f"{source.name}:{number}: cannot read the expectation: {line}"
        for each in found:
            yield Expectation(
                source.name, number - len(each["up"]), each["severity"], each["code"], each["message"].strip(),
                each["covered"], each["label"],
            )  # fmt: skip


# ------------------------------------------------------------------------------------------------- documents


def documents() -> list[Path]:
    return sorted(HERE.glob("*.md"))


def read_cases(path: Path) -> list[Case]:
    """The cases of a document, in order."""
    reader = _Reader(path.name)
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        reader.line(number, line)
    assert reader.fence is None, f"{path.name}: a fence is never closed"
    names = [case.name for case in reader.cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"{path.name}: headings stand twice: {twice}"
    return reader.cases


@dataclass(slots=True)
class _Reader:
    document: str
    cases: list[Case] = field(default_factory=list)
    frames: dict[str, str] = field(default_factory=dict)
    headings: list[str] = field(default_factory=list)
    fence: tuple[list[str], list[str]] | None = None
    """The words and the lines of the fence that is open."""
    fresh: bool = True
    """No fence of the heading has been seen."""
    heading_line: int = 0

    def line(self, number: int, line: str) -> None:
        if self.fence is not None:
            if line.startswith("```"):
                self._close(*self.fence)
                self.fence = None
            else:
                self.fence[1].append(line)
        elif line.startswith("```opt"):
            self.fence = (line.removeprefix("```opt").split(), [])
        elif match := re.match(r"(#+) (.*)", line):
            self.headings[len(match[1]) - 1 :] = [match[2].strip()]
            self.fresh, self.heading_line = True, number

    def _close(self, words: list[str], lines: list[str]) -> None:
        settings = dict(word.split("=", 1) for word in words if "=" in word)
        text = "\n".join(lines) + "\n"
        if "frame" in settings:
            self.frames[settings["frame"]] = text
            return
        if self.fresh:
            name = " / ".join(self.headings[1:]) or self.headings[0]
            self.cases.append(Case(name, f"{self.document}:{self.heading_line}"))
            self.fresh = False
        case = self.cases[-1]
        for frame in (word for word in words if "=" not in word):
            before, behind = self.frames[frame].split("...\n")
            text = f"{before}{text}{behind}"
        if "kernel" in settings:
            version = KernelVersion(*map(int, settings["kernel"].split(".")))
            case.options = replace(case.options, target=mainline(version))
        if "timestamps" in settings:
            case.options = replace(case.options, timestamps=settings["timestamps"] != "off")
        if "module" in settings:
            case.modules[settings["module"]] = Source(settings["module"], text)
        else:
            case.sources.append(Source(f"{len(case.sources) + 1}.opt", text))


def every_case() -> list[Case]:
    return [case for path in documents() for case in read_cases(path)]
