"""Reading BPF Type Format, from the bytes of a `.BTF` section or from what bpftool prints."""

import errno
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from optdsl.kernel.btf import Btf, BtfType, Kind, Member
from optdsl.kernel.errors import KernelError

_MAGIC: Final = 0xEB9F
_SIZED: Final = {Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.DATASEC, Kind.FLOAT, Kind.ENUM64}
_ANONYMOUS: Final = "(anon)"
"""How bpftool writes an absent name."""


def read_raw(data: bytes) -> Btf:
    """Reads a `.BTF` section of this machine's byte order. Raises KernelError (EINVAL) if it is malformed."""
    try:
        return Btf(dict(enumerate(_raw_types(data), start=1)))
    except (struct.error, ValueError, KeyError) as error:
        raise KernelError("malformed BTF", errno.EINVAL, str(error)) from error


def read_bpftool(document: Mapping[str, Any]) -> Btf:
    """Takes the JSON of `bpftool -j btf dump`."""
    entries = document["types"]
    variables = {entry["id"]: entry["name"] for entry in entries if entry["kind"] == "VAR"}
    return Btf({entry["id"]: _bpftool_type(entry, variables) for entry in entries})


def _bpftool_type(entry: Mapping[str, Any], variables: Mapping[int, str]) -> BtfType:
    members = [
        Member(_name(member), member["type_id"], member["bits_offset"], member.get("bitfield_size", 0))
        for member in entry.get("members", ())
    ]
    members += [Member(variables[var["type_id"]], var["type_id"], 8 * var["offset"]) for var in entry.get("vars", ())]
    return BtfType(
        Kind[entry["kind"]],
        _name(entry),
        entry.get("size", 0),
        entry.get("type_id", 0),
        tuple(members),
        entry.get("nr_elems", 0),
        entry.get("encoding") == "SIGNED",
    )


def _name(entry: Mapping[str, Any]) -> str:
    name: str = entry.get("name", _ANONYMOUS)
    return "" if name == _ANONYMOUS else name


def _raw_types(data: bytes) -> Iterator[BtfType]:
    magic, version, _, header_size, *parts = struct.unpack_from("=HBBIIIII", data)
    if magic != _MAGIC or version != 1:
        raise ValueError(f"magic {magic:#x}, version {version}")
    type_offset, type_size, string_offset, string_size = parts
    strings = data[header_size + string_offset : header_size + string_offset + string_size]
    cursor = header_size + type_offset
    end = cursor + type_size
    # A variable's name is that of its type, which a data section may mention before it is read: hence two steps.
    entries: list[tuple[int, int, int, bytes]] = []
    while cursor < end:
        name, info, size_or_type = struct.unpack_from("=III", data, cursor)
        extra = _extra_size(Kind(info >> 24 & 0x1F), info & 0xFFFF)
        entries.append((name, info, size_or_type, data[cursor + 12 : cursor + 12 + extra]))
        cursor += 12 + extra
    text = _Strings(strings)
    variables = {i: text[name] for i, (name, info, _, _) in enumerate(entries, 1) if info >> 24 & 0x1F == Kind.VAR}
    for name, info, size_or_type, extra_bytes in entries:
        yield _raw_type(text, variables, text[name], info, size_or_type, extra_bytes)


class _Strings:
    """The string section: names by offset."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __getitem__(self, offset: int) -> str:
        return self._data[offset : self._data.index(b"\0", offset)].decode()


def _extra_size(kind: Kind, vlen: int) -> int:
    """How many bytes follow the three common words of a type."""
    match kind:
        case Kind.INT | Kind.VAR | Kind.DECL_TAG:
            return 4
        case Kind.ARRAY:
            return 12
        case Kind.STRUCT | Kind.UNION | Kind.DATASEC | Kind.ENUM64:
            return 12 * vlen
        case Kind.ENUM | Kind.FUNC_PROTO:
            return 8 * vlen
        case _:
            return 0


def _raw_type(text: _Strings, variables: Mapping[int, str], name: str, info: int, word: int, extra: bytes) -> BtfType:
    kind, bit_fields = Kind(info >> 24 & 0x1F), bool(info >> 31)
    size, type_id = (word, 0) if kind in _SIZED else (0, word)
    match kind:
        case Kind.INT:
            return BtfType(kind, name, size, signed=bool(struct.unpack("=I", extra)[0] >> 24 & 1))
        case Kind.ENUM | Kind.ENUM64:
            return BtfType(kind, name, size, signed=bit_fields)
        case Kind.ARRAY:
            element, _, count = struct.unpack("=III", extra)
            return BtfType(kind, name, type_id=element, count=count)
        case Kind.STRUCT | Kind.UNION:
            members = tuple(
                Member(text[at], of, offset & 0xFFFFFF, offset >> 24) if bit_fields else Member(text[at], of, offset)
                for at, of, offset in struct.iter_unpack("=III", extra)
            )
            return BtfType(kind, name, size, members=members)
        case Kind.DATASEC:
            members = tuple(
                Member(variables[of], of, 8 * offset) for of, offset, _ in struct.iter_unpack("=III", extra)
            )
            return BtfType(kind, name, size, members=members)
        case _:
            return BtfType(kind, name, size, type_id)
