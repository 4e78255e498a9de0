"""How large a checked expression is: inlining can make it grow beyond what the later stages are made for."""

from __future__ import annotations

from optdsl.semantics import model

MOST_OPERATIONS = 5000
DEEPEST = 100
"""Operations inside operations; the later stages recurse, and Python's stack ends at about 1000 calls."""


def is_reasonable(expression: model.Expression) -> bool:
    """Whether an expression has few enough operations. Parts that are shared count each time they are used."""
    known: dict[int, tuple[int, int]] = {}
    waiting: list[tuple[model.Expression, bool]] = [(expression, False)]
    while waiting:
        node, ready = waiting.pop()
        if id(node) in known:
            continue
        parts = _parts(node)
        if not ready:
            waiting.append((node, True))
            waiting.extend((part, False) for part in parts)
            continue
        sizes = [known[id(part)] for part in parts]
        known[id(node)] = 1 + sum(size for size, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)
    size, depth = known[id(expression)]
    return size <= MOST_OPERATIONS and depth <= DEEPEST


def _parts(node: model.Expression) -> tuple[model.Expression, ...]:
    match node:
        case model.Arithmetic() | model.Compare() | model.WideEqual() | model.Logic():
            return node.left, node.right
        case model.Choose():
            return node.condition, node.yes, node.no
        case model.Negation():
            return (node.operand,)
        case model.InPrefixes():
            return (node.address,)
        case model.Lookup():
            return (node.key,)
        case _:
            return ()
