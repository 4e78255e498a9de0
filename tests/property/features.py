"""Which parts of the language a program uses, for the share of programs that try each of them."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir.ops import BinaryOperator
from optdsl.lower.uses import nodes
from optdsl.semantics import model
from optdsl.semantics.types import BoolType, BytesType, EnumType, NumberType, PrefixesType
from optdsl.semantics.units import Unit
from optdsl.targets import PacketClass


def features(program: model.CheckedProgram, text: str) -> set[str]:
    """The names of the features that a checked program uses."""
    found = {"several options"} if len(program.options) > 1 else set()
    found |= {"no room for timestamps"} if text.startswith("// no timestamps") else set()
    for option in program.options:
        found.update(_of_option(option))
    used = text[text.index("option ") :]
    for name in ("half(", "without(", "part(", "later("):
        found |= {"fn"} if name in used else set()
    for form, words in (("loop over numbers", "..=3 {"), ("loop over elements or keys", "for "), ("repeat", "repeat ")):
        found |= {form} if words in used else set()
    return found


EXPECTED = frozenset(
    {
        "several options", "no room for timestamps", "fn", "repeat", "loop over numbers", "loop over elements or keys",
        "kind plain", "kind 253", "kind 254", "exid of 2 bytes", "exid of 4 bytes", "field of a unit",
        "field in a range", "field of odd width", "field over byte borders", "field ip4",
        "field ip6", "field bytes", "field enum",
        "field bool", "reserved, free", "reserved, fixed", "optional by flag", "optional by length", "repeated",
        "from client", "from server", "send guard", "receive guard", "at client", "at server", "param number",
        "param unit", "param enum", "param bool", "param bytes", "param prefixes", "state", "state bytes", "table",
        "table of text", "tunable table", "let", "if", "reject", "emit", "emit bytes", "set attribute", "set state",
        "read attribute", "lookup", "in prefixes", "received", "syn_cookie", "has", "count or element", "compare bytes",
        "division", "shift", "bit operation", "options both sent and received",
        *(f"policy {form.value}" for form in model.PolicyForm),
        *(f"on {packet.value}" for packet in PacketClass),
        *(f"event {name}" for name in ("connect", "listen", "established", "rtt", "rto", "retransmit", "closed")),
    }
)  # fmt: skip
"""What the generator must try in at least three programs of a hundred."""


def _of_option(option: model.Option) -> Iterator[str]:
    yield f"kind {option.kind}" if option.kind in (253, 254) else "kind plain"
    if option.exid_bytes:
        yield f"exid of {option.exid_bytes} bytes"
    if option.sends and option.receives:
        yield "options both sent and received"
    yield from _of_layout(option.layout)
    for send in option.sends:
        yield f"policy {send.policy.form.value}"
        yield from (f"on {packet.value}" for packet in send.packets)
        if send.sender is not None:
            yield f"from {send.sender.value}"
        if send.guard is not None:
            yield "send guard"
    for receive in option.receives:
        if receive.receiver is not None:
            yield f"at {receive.receiver.value}"
        if receive.guard is not None:
            yield "receive guard"
    yield from (f"event {handler.event.name}" for handler in option.handlers)
    yield from _of_values(option)
    parts: list[model.Send | model.Receive | model.Handler] = [*option.sends, *option.receives, *option.handlers]
    for part in parts:
        for block in (part.guard, part.body):
            yield from (name for node in nodes(block) for name in _of_node(node))


def _of_layout(layout: model.Layout) -> Iterator[str]:
    position = 0
    for field in layout.fields:
        if field.is_reserved:
            yield "reserved, free" if field.fixed is None else "reserved, fixed"
        elif isinstance(field.type, BytesType):
            yield f"field {'ip6' if field.type.form == 'address' else field.type.form}"
        elif isinstance(field.type, EnumType):
            yield "field enum"
        elif isinstance(field.type, BoolType):
            yield "field bool"
        elif isinstance(field.type, NumberType):
            yield "field of a unit" if field.type.unit is not Unit.NUMBER else "field"
            if field.raw.high - field.raw.low < (1 << field.bits) - 1:
                yield "field in a range"
        if field.bits % 8:
            yield "field of odd width"
        if position % 8 and position % 8 + field.bits > 8:
            yield "field over byte borders"
        yield from {model.Presence.FLAG: ["optional by flag"], model.Presence.LENGTH: ["optional by length"]}.get(
            field.presence, []
        )
        if field.repeat is not None:
            yield "repeated"
        position += field.bits


def _of_values(option: model.Option) -> Iterator[str]:
    for param in option.params:
        match param.type:
            case PrefixesType():
                yield "param prefixes"
            case BytesType():
                yield "param bytes"
            case BoolType():
                yield "param bool"
            case EnumType():
                yield "param enum"
            case NumberType(unit=unit):
                yield "param number" if unit is Unit.NUMBER else "param unit"
            case _:
                pass
    for state in option.states:
        yield "state bytes" if isinstance(state.type, BytesType) else "state"
    for table in option.tables:
        yield "tunable table" if table.tunable else "table"
        if isinstance(table.value, BytesType):
            yield "table of text"


def _of_node(node: object) -> Iterator[str]:
    match node:
        case model.Let():
            yield "let"
        case model.If():
            yield "if"
        case model.Reject():
            yield "reject"
        case model.Emit(values=values):
            yield "emit"
            if any(isinstance(value.type, BytesType) for value in values):
                yield "emit bytes"
        case model.SetAttribute():
            yield "set attribute"
        case model.SetState():
            yield "set state"
        case model.Lookup():
            yield "lookup"
        case model.InPrefixes():
            yield "in prefixes"
        case model.FactRead(fact=fact):
            yield fact.value
        case model.Present():
            yield "has"
        case model.CountOf() | model.Element():
            yield "count or element"
        case model.WideEqual():
            yield "compare bytes"
        case model.Arithmetic(operator=BinaryOperator.DIV | BinaryOperator.MOD):
            yield "division"
        case model.Arithmetic(operator=BinaryOperator.SHL | BinaryOperator.SHR):
            yield "shift"
        case model.Arithmetic(operator=BinaryOperator.AND | BinaryOperator.OR | BinaryOperator.XOR):
            yield "bit operation"
        case model.Read(symbol=symbol) if hasattr(symbol, "path"):
            yield "read attribute"
        case _:
            pass
