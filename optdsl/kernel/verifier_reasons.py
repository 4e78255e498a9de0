"""The verifier's reasons in plain words, and what to change in a program that is rejected for them.

The kernel's texts are those of kernel/bpf/verifier.c, 5.10 to 7.3. What is not in the table is still told, in the
kernel's own words.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from optdsl.record import record


class Kind(Enum):
    """What sort of verdict a reason is."""

    REJECTED = auto()
    """The program does what no program may."""
    NOT_OFFERED = auto()
    """The program uses what this kernel, or this type of program, does not have."""
    LIMIT = auto()
    """The program is too large, or takes too long to verify."""


@record
class Explanation:
    """`label` is a remark on the line at fault, `advice` what to do about it; both are empty if nothing is known."""

    kind: Kind
    label: str
    advice: str


def explain(reason: str) -> Explanation:
    """What a reason of the kernel means."""
    for pattern, kind, label, advice in _REASONS:
        if found := pattern.search(reason):
            return Explanation(kind, label.format(*found.groups()), advice.format(*found.groups()))
    return Explanation(Kind.REJECTED, "", "")


def _reason(pattern: str, kind: Kind, label: str, advice: str) -> tuple[re.Pattern[str], Kind, str, str]:
    return re.compile(pattern), kind, label, advice


_SHRINK: Final = "make the program smaller: fewer repetitions, less in one function"
_NEWER: Final = "run it on a newer kernel, or compile it without this"

_REASONS: Final = (
    _reason(
        r"mem access '\w+_or_null'|possibly NULL pointer|pointer arithmetic on \w+_or_null prohibited",
        Kind.REJECTED, "this pointer may be null here", "compare the pointer with null before it is used",
    ),
    _reason(
        r"mem access '(?:scalar|inv)'",
        Kind.REJECTED, "what is used as an address here is a number",
        "keep the pointer itself, or get it anew; a pointer that went through memory or arithmetic is a number",
    ),
    _reason(
        r"unbounded memory access|unbounded min value|(?:min|max) value is outside|min value is negative|"
        r"invalid access to (?:map value|map key|memory|packet)|invalid access to \w+ region",
        Kind.REJECTED, "this may reach beyond what the pointer points to",
        "compare the offset with the size on every path that leads here",
    ),
    _reason(
        r"R(\d+) !read_ok",
        Kind.REJECTED, "this uses a value that nobody has set", "give the variable a value on every path",
    ),
    _reason(
        r"invalid (?:indirect )?(?:variable-offset )?(?:indirect )?read from stack|invalid indirect access to stack",
        Kind.REJECTED, "this reads a part of the stack that nobody has written", "initialise the whole variable first",
    ),
    _reason(
        r"invalid (?:unbounded )?(?:variable-offset )?write to stack|invalid stack type|invalid write to stack",
        Kind.REJECTED, "this is outside of the stack, of which a program has 512 bytes",
        "use less stack, or compare the offset with the size of the variable first",
    ),
    _reason(
        r"Unreleased reference|reference leak|reference has not been acquired",
        Kind.REJECTED, "the program ends here and still holds what it has obtained",
        "release it on every path: submit or discard a record, release a socket",
    ),
    _reason(
        r"infinite loop detected|back-edge from insn|loop detected at insn",
        Kind.REJECTED, "the kernel finds no end to this loop", "give the loop a constant bound",
    ),
    _reason(
        r"cannot use helper (\w+)#|unknown func (\w+)#|invalid func \w+#|helper call is not allowed",
        Kind.NOT_OFFERED, "this kernel does not offer the function to a program of this type", _NEWER,
    ),
    _reason(
        r"calling kernel function (\w+) is not allowed|kernel function .* not found|kernel btf .* not available",
        Kind.NOT_OFFERED, "this kernel does not offer the function to a program of this type", _NEWER,
    ),
    _reason(
        r"unknown opcode|invalid BPF_LDX? mode|BPF_(?:LDX?|STX?) uses reserved fields|unsupported",
        Kind.NOT_OFFERED, "this kernel does not know the instruction",
        "compile for an older instruction set, `-mcpu=v3` with clang, or run it on a newer kernel",
    ),
    _reason(
        r"misaligned .*access",
        Kind.REJECTED, "the address is not a multiple of the size of the access",
        "align the variable, or read it byte by byte",
    ),
    _reason(r"div by zero|division by zero", Kind.REJECTED, "this divides by zero", "compare the divisor with 0 first"),
    _reason(
        r"invalid bpf_context access off=(\d+) size=(\d+)",
        Kind.REJECTED, "a program of this type may not access these {1} bytes of its context in this way",
        "see which members of the context the type of program may read and write",
    ),
    _reason(
        r"dereference of modified ctx ptr|variable ctx access",
        Kind.REJECTED, "the context is accessed by an address that was computed",
        "access each member of the context directly, by its name",
    ),
    _reason(
        r"At program exit the register R0 .*should have been in \[(-?\d+), (-?\d+)\]",
        Kind.REJECTED, "the program may return something other than {0}..={1}", "return a value within {0}..={1}",
    ),
    _reason(
        r"At program exit the register R0 .*should have been in \(0x0; 0x([137])\)",
        Kind.REJECTED, "the program may return something other than 0..={0}", "return a value within 0..={0}",
    ),
    _reason(
        r"R0 leaks addr|leaks addr",
        Kind.REJECTED, "this gives an address of the kernel away", "store or return what the pointer points to",
    ),
    _reason(r"unreachable insn", Kind.REJECTED, "no path leads here", "remove the code that cannot be reached"),
    _reason(
        r"jump out of range|last insn is not an exit",
        Kind.REJECTED, "control leaves the program here", "end every path with a return",
    ),
    _reason(
        r"cannot (?:write into|read from|modify) (?:map|rdonly|read-only)|write into map forbidden|"
        r"cannot write into \w+_?rdonly|only read from",
        Kind.REJECTED, "this writes to memory that can only be read", "write to a variable that is not constant",
    ),
    _reason(
        r"type=(\w+) expected=([\w, ]+)",
        Kind.REJECTED, "the function gets something else than it takes here", "the function takes: {1}",
    ),
    _reason(
        r"pointer arithmetic|bitwise operator|math between|arithmetic (?:of|on)|prohibited",
        Kind.REJECTED, "this is no arithmetic that the kernel allows with pointers",
        "compute the offset as a number, compare it with the size, and add it to the pointer last",
    ),
    _reason(
        r"BPF program is too large\. Processed (\d+) insn",
        Kind.LIMIT, "here the kernel gave up, after {0} instructions on all paths", _SHRINK,
    ),
    _reason(
        r"sequence of (\d+) jumps is too complex",
        Kind.LIMIT, "here {0} branches were still to be looked at", _SHRINK,
    ),
    _reason(
        r"combined stack size of (\d+) calls is (\d+)",
        Kind.LIMIT, "the functions use {1} bytes of stack together, of 512",
        "use less stack, or fewer functions that call one another",
    ),
    _reason(
        r"the call stack of \d+ frames is too deep|tail_calls are not allowed|too many (?:subprograms|different)|"
        r"stack (?:size|depth|limit)|program too large",
        Kind.LIMIT, "", _SHRINK,
    ),
)  # fmt: skip
