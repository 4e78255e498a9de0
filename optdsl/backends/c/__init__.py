"""The C back end: IR program to C that a person enjoys reading and clang compiles to BPF.

    emit_c(program)                 with `#line` directives: the verifier's log quotes the `.opt` file
    emit_c(program, lines=False)    the same code without them, to be read

The file needs `<linux/bpf.h>`, libbpf's `<bpf/bpf_helpers.h>` and `<bpf/bpf_endian.h>`, and clang 14 or later. It says
itself how to build and load it.

How line information gets into an object: clang copies the text of each line from the file that a `#line` directive
names into `.BTF.ext`. The directives name files without folders, so clang has to run in the folder of the `.opt` file;
where it does not find the file it says nothing, and the object has names and numbers of lines only. The object records
that folder, unless `-fdebug-compilation-dir=.` hides it. clang 14 files all code of a function, inlined code included,
under the file in which the function begins; so inline helpers from the C file itself are `nodebug` and count as the
line that calls them, and what stems from a second source counts as the line before it.

Rooms: `file` puts the text together from `header`, `declarations`, `support` (over `support_text`) and `functions`;
`statements` prints bodies with `blocks`, `calls`, `values`, `conditions`, `places` and `leaves`; `expression` knows
precedence and C's arithmetic; `analysis` looks at the program before; `names` and `constants` give names;
`writer` holds lines, comments and directives.
"""

from __future__ import annotations

from optdsl.ir.program import Program

__all__ = ["emit_c"]


def emit_c(program: Program, *, lines: bool = True) -> str:
    """The program as one C file, ending in a newline. `lines` says whether it carries `#line` directives.

    Pure and deterministic. The program must be one that `optdsl.ir.check` finds no fault with; ValueError for one that
    has no C, such as a path that selects nothing.
    """
    from optdsl.backends.c.file import file_text

    return file_text(program, lines=lines)
