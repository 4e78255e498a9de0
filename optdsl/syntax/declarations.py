"""Turns lark's parse into tree nodes: declarations, on top of the expressions and statements of `builder`."""

from __future__ import annotations

from typing import Any

from lark import Token, v_args

from optdsl.record import record
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


@v_args(meta=True)
class TreeBuilder(StatementBuilder):
    """The rules of declarations and of the whole file."""

    def docs(self, _: Any, children: list[Token]) -> _Doc:
        return _Doc("\n".join(str(line)[3:].strip() for line in children))

    # -------------------------------------------------------------------------------------- kinds and layouts

    def kind_experimental(self, meta: Any, children: list[Any]) -> tree.Kind:
        return tree.Kind(self._span(meta), "exid", None, children[0])

    def kind_number(self, meta: Any, children: list[Any]) -> tree.Kind:
        return tree.Kind(self._span(meta), "number", children[0], None)

    def kind_exid(self, meta: Any, children: list[Any]) -> tree.Kind:
        return tree.Kind(self._span(meta), "exid", children[0], children[1])

    def kind_mptcp(self, meta: Any, children: list[Any]) -> tree.Kind:
        return tree.Kind(self._span(meta), "mptcp", children[0], None)

    def layout(self, meta: Any, children: list[Any]) -> tree.Layout:
        return tree.Layout(self._span(meta), every(tree.Field, children), children[0])

    def field_name(self, meta: Any, children: list[Any]) -> tree.Name:
        child = children[0]
        return child if isinstance(child, tree.Name) else tree.Name(self._span(meta), str(child))

    def present_when(self, _: Any, children: list[Any]) -> _Presence:
        return _Presence(children[0])

    def present_by_length(self, _: Any, __: list[Any]) -> _Presence:
        return _Presence(None)

    def field(self, meta: Any, children: list[Any]) -> tree.Field:
        doc, name, kind = children[:3]
        within, initial, presence = only(_Within, children), only(_Initial, children), only(_Presence, children)
        return tree.Field(
            name.span.to(self._span(meta)), name, kind,
            within=within.bounds if within else None,
            value=initial.value if initial else None,
            when=presence.when if presence else None,
            optional=presence is not None and presence.when is None,
            doc=doc,
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------- types

    def simple_type(self, _: Any, children: list[Any]) -> tree.Name:
        return dotted(children[0])

    def plain_type(self, meta: Any, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(self._span(meta), children[0])

    def stepped_type(self, meta: Any, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(self._span(meta), children[0], step=children[1])

    def names(self, _: Any, children: list[Any]) -> tuple[tree.Name, ...]:
        return tuple(children)

    def enumerated_type(self, meta: Any, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(self._span(meta), children[0], enumerators=children[1])

    def repeated_type(self, meta: Any, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(self._span(meta), children[0], count=children[1])

    def sized_type(self, meta: Any, children: list[Any]) -> tree.TypeNode:
        return tree.TypeNode(self._span(meta), children[0], size=children[1])

    def within(self, _: Any, children: list[Any]) -> _Within:
        return _Within(children[0])

    def initial(self, _: Any, children: list[Any]) -> _Initial:
        return _Initial(children[0])

    # ------------------------------------------------------------------------------------------------- values

    def param(self, meta: Any, children: list[Any]) -> tree.Param:
        doc, name, kind = children[:3]
        initial, within = only(_Initial, children), only(_Within, children)
        return tree.Param(
            self._span(meta), name, kind, initial.value if initial else None, within.bounds if within else None, doc
        )

    def _state(self, meta: Any, children: list[Any], connection: bool) -> tree.State:
        doc, name, kind = children[:3]
        initial, within = only(_Initial, children), only(_Within, children)
        value, bounds = initial.value if initial else None, within.bounds if within else None
        return tree.State(self._span(meta), name, kind, value, bounds, connection, doc)

    def socket_state(self, meta: Any, children: list[Any]) -> tree.State:
        return self._state(meta, children, connection=False)

    def connection_state(self, meta: Any, children: list[Any]) -> tree.State:
        return self._state(meta, children, connection=True)

    def const(self, meta: Any, children: list[Any]) -> tree.Const:
        doc, name, *rest = children
        return tree.Const(self._span(meta), name, only(tree.TypeNode, rest), rest[-1], doc)

    def enumerator(self, _: Any, children: list[Any]) -> tree.Enumerator:
        return tree.Enumerator(children[0], children[1] if len(children) > 1 else None)

    def enum(self, meta: Any, children: list[Any]) -> tree.Enum:
        doc, name, kind = children[:3]
        return tree.Enum(self._span(meta), name, kind, every(tree.Enumerator, children), doc)

    def element(self, _: Any, children: list[Any]) -> tuple[tree.Expression | None, tree.Expression]:
        return None, children[0]

    def pair(self, _: Any, children: list[Any]) -> tuple[tree.Expression | None, tree.Expression]:
        return children[0], children[1]

    def braces(self, meta: Any, children: list[Any]) -> tree.Braces:
        return tree.Braces(self._span(meta), tuple(children))

    def _table(self, meta: Any, children: list[Any], tunable: bool) -> tree.Table:
        doc, name, key, value, entries = children
        return tree.Table(self._span(meta), name, key, value, entries, tunable, doc)

    def constant_table(self, meta: Any, children: list[Any]) -> tree.Table:
        return self._table(meta, children, tunable=False)

    def tunable_table(self, meta: Any, children: list[Any]) -> tree.Table:
        return self._table(meta, children, tunable=True)

    def argument(self, _: Any, children: list[Any]) -> tree.Argument:
        within = only(_Within, children)
        return tree.Argument(children[0], children[1], within.bounds if within else None)

    def function(self, meta: Any, children: list[Any]) -> tree.Function:
        doc, name, *rest = children
        return tree.Function(
            self._span(meta), name, every(tree.Argument, rest), only(tree.TypeNode, rest), every(tree.Let, rest),
            rest[-1], doc,
        )  # fmt: skip

    # --------------------------------------------------------------------------------------- sending, receiving

    def sender(self, _: Any, children: list[Any]) -> _Sender:
        return _Sender(children[0])

    def place(self, _: Any, children: list[Any]) -> _Place:
        return _Place(children[0])

    def guard(self, _: Any, children: list[Any]) -> _Guard:
        return _Guard(children[0])

    def packets(self, _: Any, children: list[Any]) -> tuple[tree.Name, ...]:
        return tuple(children)

    def once(self, meta: Any, _: list[Any]) -> tree.Policy:
        return tree.Policy(self._span(meta), "once")

    def until_acked(self, meta: Any, _: list[Any]) -> tree.Policy:
        return tree.Policy(self._span(meta), "until_acked")

    def every_quantity(self, meta: Any, children: list[Any]) -> tree.Policy:
        return tree.Policy(self._span(meta), "every", children[0])

    def every_packets(self, meta: Any, children: list[Any]) -> tree.Policy:
        return tree.Policy(self._span(meta), "packets", children[0])

    def send(self, meta: Any, children: list[Any]) -> tree.Send:
        sender, guard = only(_Sender, children), only(_Guard, children)
        packets = next(child for child in children if isinstance(child, tuple))
        policy = only(tree.Policy, children) or tree.Policy(packets[-1].span, "each")
        return tree.Send(
            self._span(meta), sender.name if sender else None, packets, policy,
            guard.value if guard else None, children[-1], children[0],
        )  # fmt: skip

    def receive(self, meta: Any, children: list[Any]) -> tree.Receive:
        place, guard = only(_Place, children), only(_Guard, children)
        where, condition = place.name if place else None, guard.value if guard else None
        return tree.Receive(self._span(meta), where, condition, children[-1], children[0])

    def handler(self, meta: Any, children: list[Any]) -> tree.Handler:
        place, guard = only(_Place, children), only(_Guard, children)
        where, condition = place.name if place else None, guard.value if guard else None
        return tree.Handler(self._span(meta), children[1], where, condition, children[-1], children[0])

    # --------------------------------------------------------------------------------------------------- file

    def option(self, meta: Any, children: list[Any]) -> tree.Option:
        doc, name, *members = children
        return tree.Option(self._span(meta), name, tuple(members), doc)

    def path_manager(self, meta: Any, children: list[Any]) -> tree.PathManager:
        doc, name, *members = children
        return tree.PathManager(self._span(meta), name, tuple(members), doc)

    def use(self, meta: Any, children: list[Any]) -> tree.Use:
        return tree.Use(self._span(meta), children[0])

    def file(self, _: Any, children: list[Any]) -> tree.File:
        items = tuple(child for child in children if not isinstance(child, tree.Use))
        return tree.File(self.source, every(tree.Use, children), items)
