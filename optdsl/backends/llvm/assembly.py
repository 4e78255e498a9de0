"""Makes the assembly that LLVM prints readable: source lines as comments, no debug sections.

before          .loc    0 19 9 is_stmt 1        after        # delack.opt:19: socket.delack_max = clamp(...
            .Ltmp9:                                          w9 = *(u32 *)(r6 + 92)
                w9 = *(u32 *)(r6 + 92)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from optdsl.backends.llvm.debuginfo import file_names
from optdsl.source import Source

_FILE = re.compile(r'\s*\.file\s+(\d+) "([^"]+)"')
_LOCATION = re.compile(r"\s*\.loc\s+(\d+) (\d+)")
_SECTION = re.compile(r"\s*\.section\s+([^\s,]+)")
# What only debug information and unwinding refer to.
_NOISE = re.compile(
    r"\s*\.cfi_|\.L(tmp|func_begin|func_end|debug|cu_)\w*:|\s*\.(file|ident|addrsig)|\s*\.size\s+.*Lfunc_end"
)


def readable(assembly: str, sources: Sequence[Source]) -> str:
    """The listing of code and data alone, each change of the source line announced by a comment that quotes it."""
    names = dict(zip(file_names(sources), sources, strict=True))
    return "".join(f"{line}\n" for line in _lines(assembly, names))


def _lines(assembly: str, sources: dict[str, Source]) -> Iterator[str]:
    files: dict[str, str] = {}
    last = ("", "")
    hidden = False
    for line in assembly.splitlines():
        if section := _SECTION.match(line):
            hidden = section[1].startswith((".debug_", ".BTF"))
        if file := _FILE.match(line):
            files[file[1]] = file[2]
        if location := _LOCATION.match(line):
            number, row = location[1], location[2]
            if row != "0" and (number, row) != last:
                last = (number, row)
                name = files[number]
                yield f"\t# {name}:{row}: {sources[name].line_text(int(row)).strip()}"
        elif not hidden and not _NOISE.match(line):
            yield line
