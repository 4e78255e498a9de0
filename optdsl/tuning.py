"""New values of params in the words of the language: `user_timeout.announced=45s`, checked as the declaration is.

    tuned(sources, {"user_timeout.announced": "45s"})  ->  sources whose `param announced` begins with `45s`

A value takes the place of the first value in the declaration, and the program is checked again: units, ranges, names of
enumerations and the diagnostics are those of the language, and nothing is parsed twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optdsl.ir.memory import Decoded
from optdsl.ir.types import Initial
from optdsl.semantics import model
from optdsl.semantics.types import BoolType, BytesType, EnumType, NumberType
from optdsl.semantics.units import Unit, show
from optdsl.source import Source
from optdsl.syntax import tree
from optdsl.syntax.parser import parse

Value = int | bytes | tuple[model.Prefix, ...]


class NotOneValueError(Exception):
    """What is to be a value is more than that, and so could change the declaration."""


class UnknownParamError(Exception):
    """No param of that name; `known` are those there are."""

    def __init__(self, path: str, known: tuple[str, ...]) -> None:
        super().__init__(path)
        self.path = path
        self.known = known


def params(program: model.CheckedProgram) -> dict[str, model.Param]:
    """The params of a program by their paths, `option.param`."""
    return {f"{option.name}.{param.name}": param for option in program.options for param in option.params}


def tuned(sources: Sequence[Source], wanted: Mapping[str, str]) -> list[Source]:
    """The sources with other first values. Raises UnknownParamError, NotOneValueError and CompileError."""
    left = dict(wanted)
    found = [_edited(source, left) for source in sources]
    if left:
        known = tuple(path for source in sources for path, _ in _declarations(source))
        raise UnknownParamError(next(iter(left)), known)
    return found


def show_value(param: model.Param, value: Value) -> str:
    """A value as the language writes it, `200ms`, `"cubic"`, `fast`; a number without a name as it is."""
    from optdsl.backends.description_values import value_json

    match param.type, value:
        case NumberType(unit=unit), int():
            return show(value, unit)
        case BytesType(form="bytes"), bytes():
            return f"0x{value.hex()}"
        case BytesType(form="text"), bytes():
            return f'"{value_json(value, param.type)}"'
        case (BoolType(), int()):
            return "true" if value else "false"
        case _, tuple():
            shown = value_json(value, param.type)
            assert isinstance(shown, list)
            return f"{{ {', '.join(map(str, shown))} }}" if shown else "{ }"
        case _:
            return str(value_json(value, param.type))


def show_range(param: model.Param) -> str:
    """What a param may be: a range, or names; empty where the type says it all."""
    match param.type:
        case NumberType(unit=unit):
            low, high = param.interval.low, param.interval.high
            return f"{show(low, unit)}..={show(high, unit)}" if unit is not Unit.NUMBER else f"{low}..={high}"
        case EnumType(members=members):
            return ", ".join(name for name, _ in members)
        case _:
            return ""


def as_kept(value: Value) -> Initial:
    """A value as the memory of a program has it."""
    if isinstance(value, tuple):
        return tuple((prefix.address.to_bytes(16, "big"), prefix.length) for prefix in value)
    return value


def from_kept(value: Decoded) -> Value:
    """The value that memory has; an entry of length 0 in a list of prefixes is free."""
    match value:
        case int() | bytes():
            return value
        case str():
            return value.encode("latin-1")
        case list():
            return tuple(prefix for each in value if (prefix := _prefix(each)).length)
        case _:
            raise TypeError(f"{value!r} is no value of a param")


def _prefix(kept: Decoded) -> model.Prefix:
    match kept:
        case {"address": bytes() as address, "length": int() as length}:
            return model.Prefix(int.from_bytes(address, "big"), length)
        case _:
            raise TypeError(f"{kept!r} is no prefix")


def taken_as(param: model.Param, value: Value) -> Value:
    """What a program reads where user space has written a value: the nearest end of the range, or the first value."""
    match param.type, value:
        case EnumType(members=members), int():
            return value if value in dict(members).values() else param.initial
        case NumberType(), int():
            return min(max(value, param.interval.low), param.interval.high)
        case _:
            return value


def _declarations(source: Source) -> Iterator[tuple[str, tree.Param]]:
    for item in parse(source).items:
        if isinstance(item, tree.Option):
            for member in item.members:
                if isinstance(member, tree.Param):
                    yield f"{item.name.text}.{member.name.text}", member


def _edited(source: Source, wanted: dict[str, str]) -> Source:
    """One source with the values that belong there, which leave `wanted`. From the end on, so that places stay."""
    mine = [(path, node) for path, node in _declarations(source) if path in wanted]
    text = source.text
    for path, node in reversed(mine):
        start, end = _place(node)
        text = f"{text[:start]} {wanted[path].strip()} {text[end:]}"
    made = Source(source.name, text)
    again = dict(_declarations(made)) if mine else {}
    for path, _ in mine:
        value = wanted.pop(path).strip()
        if path not in again or made.text[slice(*_place(again[path]))].strip() != value:
            raise NotOneValueError(value)
    return made


def _place(node: tree.Param) -> tuple[int, int]:
    """Where the first value stands: behind `=`, up to `in` or the end; its own span leaves parentheses out."""
    text, initial, within = node.span.source.text, node.initial, node.within
    if initial is None:
        return node.span.end, node.span.end
    start = text.index("=", node.type.span.end, initial.span.start) + 1
    return start, text.index("in", initial.span.end, within.span.end) if within is not None else node.span.end
