"""C text for BTF types: declarations in one line, definitions of structs in several.

    declare(btf, number, "wanted")  ->  volatile milliseconds wanted
    declare(btf, number, "names")   ->  const char names[4][16]
    define(btf, number)             ->  struct peer {
                                            __u32 address[4];
                                        };
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
)
from optdsl.elf.errors import ObjectError

# Anonymous structs are spelt out where they are used, down to this depth; deeper ones would only be noise on a line.
_MAX_ANONYMOUS_DEPTH = 3
_INDENT = "    "


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


def _declare(btf: Btf, number: int, inner: str, depth: int, anonymous_depth: int) -> str:
    """C declarations grow from the name outwards: `inner` is what has been written so far around the name."""
    if depth == 0:
        raise ObjectError("types in .BTF are nested too deeply or contain themselves")
    match btf.types[number]:
        case Pointer(target):
            inner = f"*{inner}"
            if isinstance(btf.unqualified(target), Array | Prototype):
                inner = f"({inner})"
            return _declare(btf, target, inner, depth - 1, anonymous_depth)
        case Array(element, length):
            return _declare(btf, element, f"{inner}[{length}]", depth - 1, anonymous_depth)
        case Prototype(returns, parameters):
            listed = ", ".join(_parameter(btf, parameter, depth - 1) for parameter in parameters) or "void"
            return _declare(btf, returns, f"{inner}({listed})", depth - 1, anonymous_depth)
        case Qualifier(keyword, target) if isinstance(btf.unqualified(target), Pointer):
            return _declare(btf, target, f"{keyword} {inner}".rstrip(), depth - 1, anonymous_depth)
        case Qualifier(keyword, target):
            return f"{keyword} {_declare(btf, target, inner, depth - 1, anonymous_depth)}"
        case Function() as function:
            return _declare(btf, function.prototype, inner or function.name, depth - 1, anonymous_depth)
        case Variable() as variable:
            return _declare(btf, variable.type, inner or variable.name, depth - 1, anonymous_depth)
        case _:
            base = _base(btf, number, anonymous_depth)
            return base + inner if inner.startswith("[") else f"{base} {inner}".rstrip()


def _parameter(btf: Btf, parameter: Parameter, depth: int) -> str:
    if not parameter.name and parameter.type == 0:
        return "..."
    return _declare(btf, parameter.type, parameter.name, depth, 0)


def _base(btf: Btf, number: int, anonymous_depth: int) -> str:
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
            if anonymous_depth == _MAX_ANONYMOUS_DEPTH:
                return f"{composite.keyword} {{ ... }}"
            members = " ".join(_member(btf, member, anonymous_depth + 1) for member in composite.members)
            return f"{composite.keyword} {{ {members} }}"
        case _:
            return "void"


def _tag(keyword: str, name: str) -> str:
    return f"{keyword} {name}" if name else keyword


def _member(btf: Btf, member: Member, anonymous_depth: int) -> str:
    width = f" : {member.bit_size}" if member.bit_size else ""
    return f"{_declare(btf, member.type, member.name, MAX_DEPTH, anonymous_depth)}{width};"
