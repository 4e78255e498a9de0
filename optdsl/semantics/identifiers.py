"""Names that leave the language: they appear in the object, in its BTF, and in generated C.

Both back ends keep them as they are written, so what C or the compiler has taken is refused here instead of being
renamed in one place and not in another. Lets, arguments, enumerators, consts and functions never leave.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import names as wording
from optdsl.semantics import model
from optdsl.syntax import tree

C_WORDS = frozenset(
    """
    asm auto break case char const continue default do double else enum extern float for goto if inline int long main
    register restrict return short signed sizeof static struct switch typedef typeof union unsigned void volatile while
    """.split()
)
MEMBERS_OF_RECORDS = frozenset({"time", "record"})
"""What every record of `emit` begins with."""

_GENERATED = {
    "sockets": "a map", "counters": "a map", "events": "a map", "scratch": "a map",
    "settings": "what can be tuned in generated code",
    "socket": "what is kept for each socket", "prefix": "an address prefix",
    "role": "kept for each socket", "third_ack": "kept for each socket", "payload": "kept for each socket",
    "ctx": "the context of the program", "wire": "the bytes of an option", "length": "the length of an option",
    "microseconds": "a type", "bits_per_second": "a type", "bytes": "a type", "segments": "a type",
    "millionths": "a type", "boolean": "a type", "license": "the license of the program",
    "on_connect": "a function", "on_listen": "a function", "on_active_established": "a function",
    "on_passive_established": "a function", "on_length": "a function", "on_write": "a function",
    "on_parse": "a function",
}  # fmt: skip
_OF_OPTION = r"params|state|socket|counters|compose|compose_syn|compose_synack|receive|on_[a-z_]+(_[0-9]+)?"
_OF_TABLE = r"entries|entry|[0-9]+"

_COUNTED = {
    "sent": "packets that carried the option", "received": "packets that brought the option",
    "no_space": "packets without room for the option", "store_failed": "refusals of the kernel to write the option",
    "load_failed": "failures to read the option", "bad_length": "options of a wrong length",
    "bad_reserved": "options with wrong reserved bits", "set_failed": "refusals of the kernel to set an attribute",
    "records_lost": "records that found no room",
}  # fmt: skip


def check_visible(name: tree.Name, diagnostics: Diagnostics) -> None:
    """Tells of a name that C has taken."""
    if name.text in C_WORDS:
        diagnostics.add(wording.word_of_c(name.span, name.text))
    elif name.text.startswith(("__", "bpf_")):
        diagnostics.add(wording.generated_name(name.span, name.text, "such names belong to C and to BPF's helpers"))


def check_reason(name: tree.Name, layout: model.Layout | None) -> None:
    """Raises for a reason to reject that the compiler counts something else under."""
    counts = _COUNTED.get(name.text)
    if counts is None and layout is not None and name.text.startswith("bad_"):
        field = layout.field(name.text.removeprefix("bad_"))
        counts = f"options whose `{field.name}` is outside its range" if field is not None else None
    if counts is not None:
        raise CompileError(wording.counted_already(name.span, name.text, counts))


def check_collisions(
    options: Iterable[tree.Name], tables: Iterable[tree.Name], records: Iterable[tree.Name], diagnostics: Diagnostics
) -> None:
    """Tells of options, tables and records whose names the compiler gives to something of its own."""
    options, tables = tuple(options), tuple(tables)
    of_options, of_tables = {name.text for name in options}, {name.text for name in tables}
    for name in (*options, *tables, *records):
        owner = _owner(name.text, of_options, of_tables)
        if owner:
            diagnostics.add(wording.generated_name(name.span, name.text, owner))


def _owner(name: str, options: set[str], tables: set[str]) -> str:
    """What a name belongs to already; nothing for a free one."""
    if name in _GENERATED:
        return _GENERATED[name]
    for match in re.finditer("_", name):
        first, rest = name[: match.start()], name[match.end() :]
        if first in options and re.fullmatch(_OF_OPTION, rest):
            return f"it belongs to option `{first}`"
        if first in tables and re.fullmatch(_OF_TABLE, rest):
            return f"it belongs to table `{first}`"
    return ""
