"""Types, maps and global variables as C declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from optdsl.backends.c.expression import number
from optdsl.backends.c.names import identifier
from optdsl.backends.c.writer import LINE_LENGTH, TAB_WIDTH, comment, quoted
from optdsl.ir import types as t
from optdsl.ir.program import Program
from optdsl.ir.structs import all_structs

_BYTES_PER_LINE = 12


def scalar_name(kind: t.Scalar) -> str:
    """`__u32`, or the alias that tells the unit."""
    return identifier(kind.alias) if kind.alias else f"__u{kind.bits}"


def variable(kind: t.Type, name: str) -> str:
    """The declaration of a variable, member or pointer: `__u8 wire[8] __aligned(8)`."""
    match kind:
        case t.Scalar():
            return f"{scalar_name(kind)} {name}"
        case t.ByteArray():
            aligned = f" __aligned({kind.alignment})" if kind.aligned and not name.startswith("(") else ""
            return f"{'char' if kind.text else '__u8'} {name}[{kind.length}]{aligned}"
        case t.Array():
            return variable(kind.element, f"{name}[{kind.length}]")
        case t.Struct():
            return f"struct {identifier(kind.name)} {name}"
        case _:
            assert_never(kind)


def pointer_to(kind: t.Type, name: str) -> str:
    """The declaration of a pointer to a place of a type; arrays decay to pointers to their first element."""
    match kind:
        case t.ByteArray():
            return f"{'char' if kind.text else '__u8'} *{name}"
        case t.Array(element=t.Array() | t.ByteArray() as element):
            return variable(element, f"(*{name})")
        case t.Array(element=element):
            return variable(element, f"*{name}")
        case _:
            return variable(kind, f"*{name}")


def typedef_lines(program: Program) -> list[str]:
    """The typedefs of all units, in the order in which the program uses them."""
    aliases = {kind.alias: kind for kind in _scalars(program) if kind.alias}
    return [f"typedef __u{kind.bits} {scalar_name(kind)};" for kind in aliases.values()]


def _scalars(program: Program) -> Iterator[t.Scalar]:
    roots: list[t.Type] = [member.type for struct in all_structs(program) for member in struct.members]
    roots += [one.type for one in program.globals]
    roots += [side for one in program.maps for side in (one.key, one.value) if side is not None]
    roots += [one.points_to for function in program.functions for one in function.parameters if one.points_to]
    yield from (kind for kind in map(_innermost, roots) if isinstance(kind, t.Scalar))


def _innermost(kind: t.Type) -> t.Type:
    return _innermost(kind.element) if isinstance(kind, t.Array) else kind


def struct_lines(struct: t.Struct) -> list[str]:
    """A struct; the members' comments stand behind them where they all fit, else above them."""
    texts = [f"{variable(member.type, identifier(member.name))};" for member in struct.members]
    column = max((_tab_stop(TAB_WIDTH + len(text)) for text in texts), default=0)
    beside = all(column + len(member.doc) + 6 <= LINE_LENGTH and "\n" not in member.doc for member in struct.members)
    lines = [*comment(struct.doc), f"struct {identifier(struct.name)} {{"]
    for member, text in zip(struct.members, texts, strict=True):
        remark = comment(member.doc, 1)
        if remark and beside:
            tabs = -(-(column - TAB_WIDTH - len(text)) // TAB_WIDTH)
            lines.append(f"\t{text}{chr(9) * tabs}{remark[0]}")
        else:
            lines += [f"\t{line}" for line in (*remark, text)]
    return [*lines, "};"]


def _tab_stop(column: int) -> int:
    return (column // TAB_WIDTH + 1) * TAB_WIDTH


def map_lines(definition: t.MapDefinition) -> list[str]:
    """A map as libbpf reads it from the BTF of section `.maps`."""
    lines = [*comment(definition.doc), "struct {", f"\t__uint(type, BPF_MAP_TYPE_{definition.kind.name});"]
    match definition.kind:
        case t.MapKind.SK_STORAGE:
            lines += ["\t__uint(map_flags, BPF_F_NO_PREALLOC);", "\t__type(key, int);"]
        case t.MapKind.HASH | t.MapKind.PERCPU_ARRAY | t.MapKind.RINGBUF:
            lines.append(f"\t__uint(max_entries, {definition.max_entries});")
            if definition.key is not None:
                lines.append(f"\t__type(key, {_type_name(definition.key)});")
        case _:
            assert_never(definition.kind)
    if definition.value is not None:
        lines.append(f"\t__type(value, {_type_name(definition.value)});")
    return [*lines, f'}} {identifier(definition.name)} SEC(".maps");']


def _type_name(kind: t.Type) -> str:
    """A type without a name behind it, as in a cast."""
    match kind:
        case t.Scalar():
            return scalar_name(kind)
        case t.ByteArray():
            return f"{'char' if kind.text else '__u8'}[{kind.length}]"
        case t.Array():
            name = _type_name(kind.element)
            base, bracket, rest = name.partition("[")
            return f"{base}[{kind.length}]{bracket}{rest}"
        case t.Struct():
            return f"struct {identifier(kind.name)}"
        case _:
            assert_never(kind)


def global_lines(one: t.GlobalVariable) -> list[str]:
    """A global variable with its initial value."""
    declared = variable(one.type, identifier(one.name))
    match one.section:
        case t.Section.PARAMETERS:
            head = f'volatile {declared} SEC("{one.section.value}")'
        case t.Section.CONSTANTS:
            head = f"const {declared}"
        case _:
            assert_never(one.section)
    return [*comment(one.doc), *_initial_lines(f"{head} = ", one.type, one.initial, 0, ";")]


def record_lines(record: t.Struct) -> list[str]:
    """What keeps a struct in the BTF that no function names."""
    name = identifier(record.name)
    return [*comment(f"Keeps struct {record.name} in the BTF."), f"const struct {name} *const unused_{record.name};"]


def _initial_lines(head: str, kind: t.Type, value: t.Initial, depth: int, end: str) -> list[str]:
    """`head value end`, on one line if it fits; the members of a variable itself stand on lines of their own."""
    tabs = "\t" * depth
    match kind, value:
        case t.Struct(), tuple():
            inner = [
                line
                for member, one in zip(kind.members, value, strict=True)
                for line in _initial_lines(f".{identifier(member.name)} = ", member.type, one, depth + 1, ",")
            ]
            flat = f"{tabs}{head}{{ {' '.join(line.strip() for line in inner).rstrip(',')} }}{end}"
            if depth and len(flat.expandtabs(TAB_WIDTH)) <= LINE_LENGTH:
                return [flat]
            return [f"{tabs}{head}{{", *inner, f"{tabs}}}{end}"]
        case t.Array(element=t.Scalar()), tuple():
            numbers = [number(one).text if isinstance(one, int) else str(one) for one in _trimmed(value)]
            return _list_lines(head, numbers, depth, end)
        case t.Array(), tuple():
            inner = [
                line
                for index, one in enumerate(_trimmed(value))
                for line in _initial_lines(f"[{index}] = ", kind.element, one, depth + 1, ",")
            ]
            return [f"{tabs}{head}{{", *inner, f"{tabs}}}{end}"] if inner else [f"{tabs}{head}{{}}{end}"]
        case t.ByteArray(text=True), bytes():
            return [f"{tabs}{head}{_text(value)}{end}"]
        case t.ByteArray(), bytes():
            return _list_lines(head, [f"0x{byte:02x}" for byte in value.rstrip(b"\0")], depth, end)
        case t.Scalar(), int():
            return [f"{tabs}{head}{number(value).text}{end}"]
        case _:
            raise TypeError(f"{value!r} is not an initial value of {kind}")


def _trimmed(value: tuple[t.Initial, ...]) -> tuple[t.Initial, ...]:
    """The elements without the zeros at the end, which C adds."""
    length = len(value)
    while length and _is_zero(value[length - 1]):
        length -= 1
    return value[:length]


def _is_zero(value: t.Initial) -> bool:
    match value:
        case int():
            return value == 0
        case bytes():
            return not value.strip(b"\0")
        case tuple():
            return all(_is_zero(one) for one in value)


def _list_lines(head: str, items: list[str], depth: int, end: str) -> list[str]:
    tabs = "\t" * depth
    flat = f"{tabs}{head}{{ {', '.join(items)} }}{end}" if items else f"{tabs}{head}{{}}{end}"
    if len(flat.expandtabs(TAB_WIDTH)) <= LINE_LENGTH:
        return [flat]
    rows = [items[start : start + _BYTES_PER_LINE] for start in range(0, len(items), _BYTES_PER_LINE)]
    return [f"{tabs}{head}{{", *(f"{tabs}\t{', '.join(row)}," for row in rows), f"{tabs}}}{end}"]


def _text(value: bytes) -> str:
    return quoted(value.rstrip(b"\0").decode("latin-1")) if value.isascii() else _octal(value)


def _octal(value: bytes) -> str:
    return '"' + "".join(f"\\{byte:03o}" for byte in value.rstrip(b"\0")) + '"'
