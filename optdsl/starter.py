"""The file that `optdsl new` writes: a small option that shows the main parts, under a name that is checked first."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

from optdsl.diagnostics import Diagnostic, Diagnostics, Suggestion
from optdsl.diagnostics import names as wording
from optdsl.record import replace
from optdsl.semantics.identifiers import check_collisions, check_visible
from optdsl.semantics.scope import RESERVED
from optdsl.source import Source, Span
from optdsl.syntax import tree
from optdsl.targets.registry import exid_owner

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+")
"""NAME of the grammar."""

_STARTER = """\
// What to type next:
//   optdsl check @file@      what is wrong, whenever you have changed something
//   optdsl compile @file@    the object, and how to load it
//   optdsl demo @file@       as root: the option on real packets
//   optdsl targets@pad@      everything that `socket.` and `on` have to offer

/// What the option is for, in one sentence: this one asks the peer to delay its ACKs no longer than we like.
option @name@ {
@comment@
    kind @kind@

    // What follows on the wire, first bit first. A value outside its range is never acted on, but counted.
    layout {
        version : u8
        longest : u8 of 1ms in 20ms..=200ms
    }

    /// A number to change while the program is attached, with `optdsl param`.
    param wanted : duration = 20ms in 20ms..=200ms

    // Who sends it, when, and how often; every field gets its value.
    send on ack, data until acked {
        version = 1
        longest = floor(wanted)
    }

    // What is done with a valid one. A reason to reject has a counter of its own.
    receive {
        if version != 1 {
            reject unknown_version
        }
        socket.delack_max = longest
    }
}
"""
_EXPERIMENTAL = """\
    // Kind 253, which all experiments share, and an identifier that tells them apart (RFC 6994). Register yours with
    // IANA before the option leaves your network."""
_OWN = """\
    // The number of the option; IANA assigns them."""


def starter(name: str, file: str, *, kind: int | None = None, exid: int | None = None) -> str:
    """The text of a program with an option of this name and kind; without a kind it is an experimental one.

    `name` has passed `name_fault`, `file` is what the comments tell to type. Numbers are taken as they are: the checker
    tells what is wrong with them.
    """
    if kind is None:
        number = free_exid(name) if exid is None else exid
        written, comment = f"experimental 0x{number:0{4 if number < 1 << 16 else 8}X}", _EXPERIMENTAL
    else:
        written, comment = str(kind), _OWN
    pad = " " * (len(file) - 1)
    values = {"name": name, "file": file, "pad": pad, "kind": written, "comment": comment}
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], _STARTER)


def free_exid(name: str) -> int:
    """An ExID of two letters of the name, upper case before lower, that is not assigned; else a number near it."""
    letters = name.replace("_", "") or name
    words = [word for word in name.split("_") if word]
    pairs = [words[0][0] + words[1][0]] if len(words) > 1 else []
    pairs.append((letters * 2)[:2])
    cases = [case.encode("ascii") for pair in pairs for case in (pair.upper(), pair.lower())]
    first = [int.from_bytes(case, "big") for case in cases]
    candidates: list[int] = [*first, *range(first[0], 1 << 16)]
    for exid in candidates:
        if exid_owner(exid, 2) is None:
            return exid
    raise AssertionError("letters are not near the end of the identifiers")


# ------------------------------------------------------------------------------------------------- names


def name_fault(name: str) -> Diagnostic | None:
    """What is wrong with a name for an option, with one that would do as the suggestion; None for a good name."""
    before = "optdsl new "
    source = Source("command line", before + name)
    span = Span(source, len(before), len(source.text))
    fault = _fault(name, span)
    if fault is None:
        return None
    spelling = valid_spelling(name)
    return replace(fault, suggestion=Suggestion("a name that would do", span, spelling))


def valid_spelling(name: str) -> str:
    """A name that an option may have, as near to this one as is simple."""
    plain = unicodedata.normalize("NFKD", PurePath(name).name.removesuffix(".opt")).encode("ascii", "ignore").decode()
    spelling = re.sub(r"\W+", "_", plain).strip("_")
    source = Source("name", spelling)
    if _fault(spelling, Span(source, 0, len(spelling))) is None:
        return spelling
    return f"my_{spelling}" if spelling else "my_option"


def _fault(name: str, span: Span) -> Diagnostic | None:
    if not _NAME.fullmatch(name):
        return Diagnostic(
            "", f"`{name}` cannot name an option", span, "a name is a letter or `_`, then letters, digits and `_`"
        )
    if name in RESERVED:
        return wording.reserved_word(span, name)
    found = Diagnostics()
    node = tree.Name(span, name)
    check_visible(node, found)
    check_collisions([node], [], [], found)
    return found.found[0] if found.found else None
