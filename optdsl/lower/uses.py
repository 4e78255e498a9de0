"""What the blocks of an option use: the facts they ask for, the fields they read, the sides they work on."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.semantics import model
from optdsl.targets import PacketClass, Role

SYN, SYNACK = frozenset({PacketClass.SYN}), frozenset({PacketClass.SYNACK})
ESTABLISHED = frozenset({PacketClass.THIRD_ACK, PacketClass.ACK, PacketClass.DATA, PacketClass.FIN})

Wanted = model.Field | tuple[model.Field, int]
"""A field, or an element of a repeated one."""

_DECLARED = (model.Field, model.Param, model.State, model.Table, model.LetSymbol, model.Record)


def nodes(root: object) -> Iterator[object]:
    """Every checked statement and expression inside a block, a statement or an expression, itself included."""
    if isinstance(root, tuple):
        for each in root:
            yield from nodes(each)
    # `model` and `model_values`.
    elif type(root).__module__.startswith(model.__name__) and not isinstance(root, _DECLARED):
        yield root
        for name in getattr(root, "__record_fields__", ()):
            yield from nodes(getattr(root, name))


def asks(option: model.Option, fact: model.Fact) -> bool:
    """Whether any block of an option asks for a fact."""
    blocks = (option.sends, option.receives, option.handlers)
    return any(isinstance(node, model.FactRead) and node.fact is fact for node in nodes(blocks))


def fields_read(option: model.Option) -> frozenset[Wanted]:
    """The fields whose value, number or presence the `receive` blocks use, and the elements of repeated ones."""
    found: set[Wanted] = set()
    for node in nodes(option.receives):
        match node:
            case model.Read(symbol=model.Field() as field):
                found.add(field)
            case model.Element(field=field, index=index):
                found |= {field, (field, index)}
            case model.CountOf(field=field) | model.Present(field=field):
                found.add(field)
    return frozenset(found)


def is_received(option: model.Option) -> bool:
    """Whether an option is read at all: something happens on receipt, or something asks if it came."""
    return bool(option.receives) or asks(option, model.Fact.RECEIVED)


def receiving_roles(option: model.Option) -> frozenset[Role]:
    """The sides that read an option."""
    if asks(option, model.Fact.RECEIVED):
        return frozenset(Role)
    found = {receive.receiver for receive in option.receives}
    return frozenset(role for role in Role if role in found or None in found)


def may_send(option: model.Option, role: Role) -> bool:
    """Whether a side sends an option from a socket of its own; a SYN-ACK is sent before there is one."""
    only_of_clients = frozenset({PacketClass.SYN, PacketClass.THIRD_ACK})
    impossible = SYNACK if role is Role.CLIENT else SYNACK | only_of_clients
    return any(send.sender in (None, role) and send.packets - impossible for send in option.sends)


def reads_syn(option: model.Option) -> bool:
    """Whether a server looks for an option in the SYN: our own client puts it there, or one that we do not know may."""
    if Role.SERVER not in receiving_roles(option):
        return False
    return any(send.packets & SYN for send in option.sends) or not may_send(option, Role.CLIENT)


def is_active(option: model.Option, role: Role) -> bool:
    """Whether an option does anything on a side once that has a socket."""
    handles = any(role in handler.event.roles and handler.role in (None, role) for handler in option.handlers)
    return may_send(option, role) or role in receiving_roles(option) or handles


def side_of(handler: model.Handler) -> Role | None:
    """The side that a handler must ask for; none where the kernel's operation tells it."""
    return None if all(trigger.role is not None for trigger in handler.event.triggers) else handler.role


def acts_on_a_side(option: model.Option) -> bool:
    """Whether a block must ask which side this is although the program may do nothing on the other one: the kernel
    calls it there as well where another program of the cgroup has asked for the callback."""
    sides = [receive.receiver for receive in option.receives]
    sides += [side_of(handler) for handler in option.handlers]
    return any(side is not None for side in sides)


def names_a_side(option: model.Option) -> bool:
    """Whether any block of an option must ask which side of the connection this is."""
    # Only clients send a SYN and complete a handshake, and what sends those needs no further question.
    sides = [send.sender for send in option.sends if send.packets & ESTABLISHED - {PacketClass.THIRD_ACK}]
    return any(side is not None for side in sides) or acts_on_a_side(option)
