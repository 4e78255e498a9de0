"""BTF at the border to the kernel: what libbpf and bpftool tell, in the types of `optdsl.elf.btf_types`.

The work is done by `optdsl.elf`; here its errors become KernelError, as for all that this package reports.
"""

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

from optdsl.elf import btf, btf_places, btf_values
from optdsl.elf import btf_types as t
from optdsl.elf.btf_types import Btf
from optdsl.elf.btf_values import Value
from optdsl.elf.errors import MemberError, MemberRangeError, MemberTypeError, ObjectError, UnknownMemberError
from optdsl.kernel.errors import KernelError

__all__ = ["Btf", "Value", "decode", "read_bpftool", "read_raw", "replaced", "total"]

_ANONYMOUS: Final = "(anon)"
"""How bpftool writes an absent name."""
_NUMBERS: Final[dict[type[MemberError], int]] = {
    UnknownMemberError: errno.ENOENT,
    MemberTypeError: errno.EINVAL,
    MemberRangeError: errno.ERANGE,
}


def read_raw(data: bytes) -> Btf:
    """Reads the bytes of a `.BTF` section. Raises KernelError (EINVAL) if they are malformed."""
    with _kernel_errors():
        return btf.parse(data)


def read_bpftool(document: Mapping[str, Any]) -> Btf:
    """Takes the JSON of `bpftool -j btf dump`, which numbers the types from 1 on."""
    return Btf((t.Void(), *(_type(entry) for entry in document["types"])), b"")


def decode(types: Btf, number: int, data: bytes) -> Value:
    """The value that `data` holds as the type `number`; see `optdsl.elf.btf_values`. Raises KernelError (EINVAL)."""
    with _kernel_errors():
        return btf_values.decode(types, number, data)


def replaced(types: Btf, number: int, data: bytes, path: str, value: int) -> bytes:
    """A copy of `data`, a value of the type `number`, with the integer at a dotted path set.

    Raises KernelError: ENOENT with the names there are, EINVAL if the path ends at something other than an integer,
    ERANGE if the integer does not fit.
    """
    with _kernel_errors():
        return btf_places.replaced(types, number, data, path, value)


def total(values: Sequence[Value]) -> Value:
    """Adds up decoded values of one shape, number by number: the sum of a per-CPU value over all CPUs."""
    first = values[0]
    if isinstance(first, dict):
        return {name: total([value[name] for value in values if isinstance(value, dict)]) for name in first}
    if isinstance(first, list):
        return [total([value[i] for value in values if isinstance(value, list)]) for i in range(len(first))]
    return sum(value for value in values if isinstance(value, int | float))


@contextmanager
def _kernel_errors() -> Iterator[None]:
    try:
        yield
    except MemberError as error:
        raise KernelError(error.what, _NUMBERS[type(error)], error.hint) from error
    except ObjectError as error:
        raise KernelError("malformed BTF", errno.EINVAL, str(error)) from error


def _type(entry: Mapping[str, Any]) -> t.BtfType:
    """One type as bpftool prints it, by the names that `btf_dumper` of its sources gives the fields."""
    name = _name(entry)
    match entry["kind"]:
        case "INT":
            encoding = entry["encoding"]
            bits, bit_offset = entry["nr_bits"], entry["bits_offset"]
            return t.Int(name, entry["size"], bits, bit_offset, encoding == "SIGNED", encoding == "BOOL")
        case "FLOAT":
            return t.Float(name, entry["size"])
        case "PTR":
            return t.Pointer(entry["type_id"])
        case "ARRAY":
            return t.Array(entry["type_id"], entry["nr_elems"])
        case "STRUCT" | "UNION" as kind:
            members = tuple(_member(member) for member in entry["members"])
            return t.Composite("struct" if kind == "STRUCT" else "union", name, entry["size"], members)
        case "ENUM" | "ENUM64":
            return _enum(entry, name)
        case "FWD":
            return t.Forward(_keyword(entry["fwd_kind"]), name)
        case "TYPEDEF":
            return t.Typedef(name, entry["type_id"])
        case "VOLATILE" | "CONST" | "RESTRICT" as kind:
            return t.Qualifier(kind.lower(), entry["type_id"])
        case "TYPE_TAG":
            return t.type_tag(name, entry["type_id"])
        case _:
            return _declaration(entry, name)
