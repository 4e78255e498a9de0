"""Compares conditions by what they say: `x or not x` need not be asked, and compilers of C warn of it."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.source import Span


def denies(one: ops.Condition, other: ops.Condition) -> bool:
    """Whether one of two conditions is plainly the negation of the other."""
    return _form(_plain(ops.Not(one.span, one))) == _form(_plain(other))


def _plain(condition: ops.Condition) -> ops.Condition:
    """A condition without a negation that can be had otherwise."""
    match condition:
        case ops.Not(condition=ops.Compare(span=span, comparison=comparison, left=left, right=right)):
            return ops.Compare(span, comparison.negated, left, right)
        case ops.Not(condition=ops.Not(condition=inner)):
            return _plain(inner)
        case _:
            return condition


def _form(node: object) -> object:
    """What an operation is wherever it stands: its classes and parts without their spans."""
    if isinstance(node, tuple):
        return tuple(map(_form, node))
    names = () if isinstance(node, Span) else getattr(node, "__record_fields__", ())
    if not names:
        return node
    return type(node), *(_form(getattr(node, name)) for name in names if name != "span")
