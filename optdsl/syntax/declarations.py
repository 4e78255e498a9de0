"""Makes the tree's nodes: declarations, on top of the expressions and statements of `builder`."""

from __future__ import annotations

from typing import Any

from optdsl.record import record
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.syntax.builder import StatementBuilder, dotted, every, only


class _Doc(str):
    """The text of `///` lines, apart from other strings."""

    __slots__ = ()


@record
class _Initial:
    value: Any


@record
class _Presence:
    when: tree.Name | None


@record
class _Sender:
    name: tree.Name


@record
class _Place:
    name: tree.Name


@record
class _Guard:
    value: Any


@record
class _Within:
    bounds: tree.Range


class TreeBuilder(StatementBuilder):
    """The rules of declarations and of the whole file."""

    def docs(self, _: Span, children: list[str]) -> _Doc:
        return _Doc("\n".join(line[3:].strip() for line in children))

    # -------------------------------------------------------------------------------------- kinds and layouts

    def kind_experimental(self, span: Span, children: list[Any]) -> tree.Kind:
        return tree.Kind(span, "exid", None, children[0])

    def kind_number(self, span: Span, children: list[Any]) -> tree.Kind:
        return tree.Kind(span, "number", children[0], None)

    def kind_exid(self, span: Span, children: list[Any]) -> tree.Kind:
        return tree.Kind(span, "exid", children[0], children[1])

    def kind_mptcp(self, span: Span, children: list[Any]) -> tree.Kind:
        return tree.Kind(span, "mptcp", children[0], None)

    def layout(self, span: Span, children: list[Any]) -> tree.Layout:
        return tree.Layout(span, every(tree.Field, children), children[0])

    def field_name(self, span: Span, children: list[Any]) -> tree.Name:
        child = children[0]
        return child if isinstance(child, tree.Name) else tree.Name(span, child)

    def present_when(self, _: Span, children: list[Any]) -> _Presence:
        return _Presence(children[0])

    def present_by_length(self, _: Span, __: list[Any]) -> _Presence:
        return _Presence(None)

    def field(self, span: Span, children: list[Any]) -> tree.Field:
        doc, name, kind = children[:3]
        within, initial, presence = only(_Within, children), only(_Initial, children), only(_Presence, children)
        return tree.Field(
            name.span.to(span), name, kind,
            within=within.bounds if within else None,
            value=initial.value if initial else None,
            when=presence.when if presence else None,
            optional=presence is not None and presence.when is None,
            doc=doc,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------- types

    def simple_type(self, _: Span, children: list[Any]) -> tree.Name:
        return dotted(children[0])

    def plain_type(self, span: Span, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(span, children[0])

    def stepped_type(self, span: Span, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(span, children[0], step=children[1])

    def names(self, _: Span, children: list[Any]) -> tuple[tree.Name, ...]:
        return tuple(children)

    def enumerated_type(self, span: Span, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(span, children[0], enumerators=children[1])

    def repeated_type(self, span: Span, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(span, children[0], count=children[1])

    def sized_type(self, span: Span, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(span, children[0], size=children[1])

    def within(self, _: Span, children: list[Any]) -> _Within:
        return _Within(children[0])

    def initial(self, _: Span, children: list[Any]) -> _Initial:
        return _Initial(children[0])

    # ------------------------------------------------------------------------------------------------- values

    def param(self, span: Span, children: list[Any]) -> tree.Param:
        doc, name, kind = children[:3]
        initial, within = only(_Initial, children), only(_Within, children)
        return tree.Param(span, name, kind, initial.value if initial else None, within.bounds if within else None, doc)

    def _state(self, span: Span, children: list[Any], connection: bool) -> tree.State:
        doc, name, kind = children[:3]
        initial, within = only(_Initial, children), only(_Within, children)
        value, bounds = initial.value if initial else None, within.bounds if within else None
        return tree.State(span, name, kind, value, bounds, connection, doc)

    def socket_state(self, span: Span, children: list[Any]) -> tree.State:
        return self._state(span, children, connection=False)

    def connection_state(self, span: Span, children: list[Any]) -> tree.State:
        return self._state(span, children, connection=True)

    def const(self, span: Span, children: list[Any]) -> tree.Const:
        doc, name, *rest = children
        return tree.Const(span, name, only(tree.TypeNode, rest), rest[-1], doc)

    def enumerator(self, _: Span, children: list[Any]) -> tree.Enumerator:
        return tree.Enumerator(children[0], children[1] if len(children) > 1 else None)

    def enum(self, span: Span, children: list[Any]) -> tree.Enum:
        doc, name, kind = children[:3]
        return tree.Enum(span, name, kind, every(tree.Enumerator, children), doc)

    def element(self, _: Span, children: list[Any]) -> tuple[tree.Expression | None, tree.Expression]:
        return None, children[0]

    def pair(self, _: Span, children: list[Any]) -> tuple[tree.Expression | None, tree.Expression]:
        return children[0], children[1]

    def braces(self, span: Span, children: list[Any]) -> tree.Braces:
        return tree.Braces(span, tuple(children))

    def _table(self, span: Span, children: list[Any], tunable: bool) -> tree.Table:
        doc, name, key, value, entries = children
        return tree.Table(span, name, key, value, entries, tunable, doc)

    def constant_table(self, span: Span, children: list[Any]) -> tree.Table:
        return self._table(span, children, tunable=False)

    def tunable_table(self, span: Span, children: list[Any]) -> tree.Table:
        return self._table(span, children, tunable=True)

    def argument(self, _: Span, children: list[Any]) -> tree.Argument:
        within = only(_Within, children)
        return tree.Argument(children[0], children[1], within.bounds if within else None)

    def function(self, span: Span, children: list[Any]) -> tree.Function:
        doc, name, *rest = children
        return tree.Function(
            span, name, every(tree.Argument, rest), only(tree.TypeNode, rest), every(tree.Let, rest),
            rest[-1], doc,
        )  # fmt: skip

    # --------------------------------------------------------------------------------------- sending, receiving

    def sender(self, _: Span, children: list[Any]) -> _Sender:
        return _Sender(children[0])

    def place(self, _: Span, children: list[Any]) -> _Place:
        return _Place(children[0])

    def guard(self, _: Span, children: list[Any]) -> _Guard:
        return _Guard(children[0])

    def packets(self, _: Span, children: list[Any]) -> tuple[tree.Name, ...]:
        return tuple(children)

    def once(self, span: Span, _: list[Any]) -> tree.Policy:
        return tree.Policy(span, "once")

    def until_acked(self, span: Span, _: list[Any]) -> tree.Policy:
        return tree.Policy(span, "until_acked")

    def every_quantity(self, span: Span, children: list[Any]) -> tree.Policy:
        return tree.Policy(span, "every", children[0])

    def every_packets(self, span: Span, children: list[Any]) -> tree.Policy:
        return tree.Policy(span, "packets", children[0])

    def send(self, span: Span, children: list[Any]) -> tree.Send:
        sender, guard = only(_Sender, children), only(_Guard, children)
        packets = next(child for child in children if isinstance(child, tuple))
        policy = only(tree.Policy, children) or tree.Policy(packets[-1].span, "each")
        return tree.Send(
            span, sender.name if sender else None, packets, policy,
            guard.value if guard else None, children[-1], children[0],
        )  # fmt: skip

    def receive(self, span: Span, children: list[Any]) -> tree.Receive:
        place, guard = only(_Place, children), only(_Guard, children)
        where, condition = place.name if place else None, guard.value if guard else None
        return tree.Receive(span, where, condition, children[-1], children[0])

    def handler(self, span: Span, children: list[Any]) -> tree.Handler:
        place, guard = only(_Place, children), only(_Guard, children)
        where, condition = place.name if place else None, guard.value if guard else None
        return tree.Handler(span, children[1], where, condition, children[-1], children[0])

    # --------------------------------------------------------------------------------------------------- file

    def option(self, span: Span, children: list[Any]) -> tree.Option:
        doc, name, *members = children
        return tree.Option(span, name, tuple(members), doc)

    def path_manager(self, span: Span, children: list[Any]) -> tree.PathManager:
        doc, name, *members = children
        return tree.PathManager(span, name, tuple(members), doc)

    def use(self, span: Span, children: list[Any]) -> tree.Use:
        return tree.Use(span, children[0])

    def file(self, _: Span, children: list[Any]) -> tree.File:
        items = tuple(child for child in children if not isinstance(child, tree.Use))
        return tree.File(self.source, every(tree.Use, children), items)
