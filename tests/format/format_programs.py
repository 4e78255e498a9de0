"""The programs that the formatter's tests go over: samples, standard library, fences of documents, cases of tests."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from docs.doc_examples import documents, examples
from optdsl.diagnostics import CompileError
from optdsl.record import record
from optdsl.source import Source
from optdsl.syntax.parser import parse_module

ROOT = Path(__file__).resolve().parents[2]
OURS = (*sorted((ROOT / "samples").glob("*.opt")), *sorted((ROOT / "stdlib").glob("*.opt")))
"""Files that are kept formatted."""


@record
class Program:
    """A grammatical program and where it stands."""

    place: str
    text: str


@cache
def programs() -> tuple[Program, ...]:
    """Every program of the repository that is grammatical."""
    files = sorted({*OURS, *(ROOT / "tests").glob("**/*.opt")})
    found = [Program(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in files]
    found += [Program(each.place, each.text) for path in documents() for each in examples(path)]
    for path in sorted((ROOT / "tests" / "semantics").glob("*.md")):
        fences = re.finditer(r"^```opt[^\n]*\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for number, match in enumerate(fences):
            found += [Program(f"{path.name}:{number}", text) for text in _wholes(match[1])]
    return tuple(each for each in found if is_grammatical(each.text))


def is_grammatical(text: str) -> bool:
    try:
        parse_module(Source("program.opt", text))
    except CompileError:
        return False
    return True


def _wholes(fence: str) -> list[str]:
    """What a fence may be: a whole file, the members of an option, or the statements of a block."""
    option = "option whole {{\n{}}}\n"
    return [fence, option.format(fence), option.format(f"receive {{\n{fence}}}\n")]
