"""BTF as bpftool prints it, turned into the types of `optdsl.elf.btf_types`.

Source of the fields: `dump_btf_type` in tools/bpf/bpftool/btf.c of Linux.
"""

import errno
from collections.abc import Mapping
from typing import Any, Final

from optdsl.elf import btf_types as t
from optdsl.kernel.errors import KernelError

_ANONYMOUS: Final = "(anon)"
"""How bpftool writes an absent name."""


def read_bpftool(document: Mapping[str, Any]) -> t.Btf:
    """Takes the JSON of `bpftool -j btf dump`, whose types are numbered from 1 on.

    Raises KernelError (EINVAL) for a kind of type that is not known here.
    """
    return t.Btf((t.Void(), *(_type(entry) for entry in document["types"])), b"")


def _name(entry: Mapping[str, Any]) -> str:
    name: str = entry["name"]
    return "" if name == _ANONYMOUS else name


def _type(entry: Mapping[str, Any]) -> t.BtfType:
    match entry["kind"]:
        case "INT":
            return _int(entry)
        case "FLOAT":
            return t.Float(_name(entry), entry["size"])
        case "PTR":
            return t.Pointer(entry["type_id"])
        case "ARRAY":
            return t.Array(entry["type_id"], entry["nr_elems"])
        case "STRUCT":
            return t.Composite("struct", _name(entry), entry["size"], _members(entry))
        case "UNION":
            return t.Composite("union", _name(entry), entry["size"], _members(entry))
        case "ENUM" | "ENUM64":
            return _enum(entry)
        case "FWD":
            return t.Forward(entry["fwd_kind"], _name(entry))
        case "TYPEDEF":
            return t.Typedef(_name(entry), entry["type_id"])
        case "VOLATILE" | "CONST" | "RESTRICT" as kind:
            return t.Qualifier(kind.lower(), entry["type_id"])
        case "TYPE_TAG":
            return t.type_tag(_name(entry), entry["type_id"])
        case _:
            return _declaration(entry)


def _declaration(entry: Mapping[str, Any]) -> t.BtfType:
    match entry["kind"]:
        case "FUNC":
            return t.Function(_name(entry), entry["type_id"], entry["linkage"])
        case "FUNC_PROTO":
            parameters = (t.Parameter(_name(parameter), parameter["type_id"]) for parameter in entry["params"])
            return t.Prototype(entry["ret_type_id"], tuple(parameters))
        case "VAR":
            return t.Variable(_name(entry), entry["type_id"], entry["linkage"])
        case "DATASEC":
            placements = (t.Placement(each["type_id"], each["offset"], each["size"]) for each in entry["vars"])
            return t.DataSection(_name(entry), entry["size"], tuple(placements))
        case "DECL_TAG":
            return t.Tag(_name(entry), entry["type_id"], entry["component_idx"])
        case kind:
            raise KernelError("cannot read BTF", errno.EINVAL, f"bpftool prints a type of unknown kind {kind}")


def _int(entry: Mapping[str, Any]) -> t.Int:
    encoding, bits, bit_offset = entry["encoding"], entry["nr_bits"], entry["bits_offset"]
    return t.Int(_name(entry), entry["size"], bits, bit_offset, encoding == "SIGNED", encoding == "BOOL")


def _enum(entry: Mapping[str, Any]) -> t.Enum:
    """bpftool 5 does not tell whether it is signed; all versions widen unsigned values of 32 bits with their sign."""
    is_signed = entry.get("encoding") == "SIGNED"
    mask = -1 if is_signed else (1 << 8 * entry["size"]) - 1
    values = ((_name(value), value["val"] & mask) for value in entry["values"])
    return t.Enum(_name(entry), entry["size"], is_signed, tuple(values))


def _members(entry: Mapping[str, Any]) -> tuple[t.Member, ...]:
    return tuple(
        t.Member(_name(member), member["type_id"], member["bits_offset"], member.get("bitfield_size", 0))
        for member in entry["members"]
    )
