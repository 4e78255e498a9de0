"""C text for BTF types.

Declarations come in one line, `volatile milliseconds wanted` or `const char names[4][16]`; definitions of structs,
unions and enumerations in several, a member on each; values as initialisers, `{.x = -3, .mode = FAST, .name = "ab"}`.
"""

from __future__ import annotations

from optdsl.elf.btf_types import (
    MAX_DEPTH,
    Array,
    Btf,
    Composite,
    Enum,
    Float,
    Forward,
    Function,
    Int,
    Member,
    Parameter,
    Pointer,
    Prototype,
    Qualifier,
    Typedef,
    Variable,
    too_deep,
)
from optdsl.elf.btf_values import Value

# Anonymous structs and the parameters of functions are spelt out where they are used, one in another down to this
# depth; what is deeper would be noise on a line, and in damaged type information without end.
_MAX_NESTING = 3
_INDENT = "    "
_PRINTABLE = frozenset({ord("\n"), *range(0x20, 0x7F)})
_VARIADIC = Parameter("", 0)


def declare(btf: Btf, number: int, name: str = "") -> str:
    """The C declaration of `name` with a type, or without a name the type alone, as in a cast."""
    return _declare(btf, number, name, MAX_DEPTH, 0)


def define(btf: Btf, number: int) -> str:
    """The definition of the struct, union or enumeration behind a type, over several lines; empty for other types."""
    match btf.resolve(number):
        case Composite() as composite:
            lines = [f"{_INDENT}{_member(btf, member, 1)}" for member in composite.members]
            return "\n".join([f"{_tag(composite.keyword, composite.name)} {{", *lines, "};"])
        case Enum(name=name, values=values):
            lines = [f"{_INDENT}{constant} = {value}," for constant, value in values]
            return "\n".join([f"{_tag('enum', name)} {{", *lines, "};"])
        case _:
            return ""


def declare_function(btf: Btf, function: Function) -> str:
    """The prototype of a function with the names of its parameters."""
    return declare(btf, function.prototype, function.name)


def initializer(btf: Btf, number: int, value: Value) -> str:
    """The C initialiser for a value that `optdsl.elf.btf_values.decode` made of a type.

    Enumerators go by their names and printable `char` arrays as strings. Zeros at the end of an array are left out, as
    C would fill them in.
    """
    match btf.resolve(number), value:
        case Enum(values=constants), int():
            return next((name for name, constant in constants if constant == value), str(value))
        case Array(element), list():
            return _string(btf, element, value) or _elements(btf, element, value)
        case Composite() as composite, dict():
            types = {member.name: member.type for member in btf.members(composite)}
            texts = [f".{name} = {initializer(btf, types[name], member)}" for name, member in value.items()]
            return f"{{{', '.join(texts)}}}"
        case _, bool():
            return str(value).lower()
        case _:
            return str(value)


def _string(btf: Btf, element: int, values: list[Value]) -> str:
    """The values as a C string if they are one; else empty."""
    found = btf.resolve(element)
    codes = [value for value in values if isinstance(value, int)]
    while codes and codes[-1] == 0:
        codes.pop()
    is_text = isinstance(found, Int) and found.name == "char" and all(code in _PRINTABLE for code in codes)
    if not is_text or not codes:
        return ""
    text = "".join(map(chr, codes))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _elements(btf: Btf, element: int, values: list[Value]) -> str:
    used = len(values)
    while used > 0 and _is_zero(values[used - 1]):
        used -= 1
    return f"{{{', '.join(initializer(btf, element, value) for value in values[:used]) or '0'}}}"


def _is_zero(value: Value) -> bool:
    match value:
        case list():
            return all(_is_zero(element) for element in value)
        case dict():
            return all(_is_zero(member) for member in value.values())
        case _:
            return value == 0


def _declare(btf: Btf, number: int, inner: str, depth: int, nesting: int) -> str:
    """C declarations grow from the name outwards: `inner` is what has been written so far around the name."""
    if depth == 0:
        raise too_deep()
    match btf.types[number]:
        case Pointer(target):
            inner = f"*{inner}"
            if isinstance(btf.unqualified(target), Array | Prototype):
                inner = f"({inner})"
            return _declare(btf, target, inner, depth - 1, nesting)
        case Array(element, length):
            return _declare(btf, element, f"{inner}[{length}]", depth - 1, nesting)
        case Prototype(returns, parameters):
            return _declare(btf, returns, f"{inner}({_parameters(btf, parameters, nesting)})", depth - 1, nesting)
        case Qualifier(keyword, target) if isinstance(btf.unqualified(target), Pointer):
            return _declare(btf, target, f"{keyword} {inner}".rstrip(), depth - 1, nesting)
        case Qualifier(keyword, target):
            return f"{keyword} {_declare(btf, target, inner, depth - 1, nesting)}"
        case Function() as function:
            return _declare(btf, function.prototype, inner or function.name, depth - 1, nesting)
        case Variable() as variable:
            return _declare(btf, variable.type, inner or variable.name, depth - 1, nesting)
        case _:
            base = _base(btf, number, nesting)
            return base + inner if inner.startswith("[") else f"{base} {inner}".rstrip()


def _parameters(btf: Btf, parameters: tuple[Parameter, ...], nesting: int) -> str:
    if not parameters:
        return "void"
    if nesting == _MAX_NESTING:
        return "..."
    return ", ".join(
        _declare(btf, parameter.type, parameter.name, MAX_DEPTH, nesting + 1) if parameter != _VARIADIC else "..."
        for parameter in parameters
    )


def _base(btf: Btf, number: int, nesting: int) -> str:
    match btf.types[number]:
        case Int(name=name) | Float(name=name) | Typedef(name=name):
            return name
        case Forward(keyword=keyword, name=name):
            return _tag(keyword, name)
        case Enum(name=name):
            return _tag("enum", name)
        case Composite(name=name) as composite if name:
            return _tag(composite.keyword, name)
        case Composite() as composite:
            if nesting == _MAX_NESTING:
                return f"{composite.keyword} {{ ... }}"
            members = " ".join(_member(btf, member, nesting + 1) for member in composite.members)
            return f"{composite.keyword} {{ {members} }}"
        case _:
            return "void"


def _tag(keyword: str, name: str) -> str:
    return f"{keyword} {name}" if name else keyword


def _member(btf: Btf, member: Member, nesting: int) -> str:
    width = f" : {member.bit_size}" if member.bit_size else ""
    return f"{_declare(btf, member.type, member.name, MAX_DEPTH, nesting)}{width};"
