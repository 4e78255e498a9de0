"""Walks a tree without knowing its rules: for questions such as which names are mentioned anywhere below a node."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.syntax import tree


def nodes(root: object) -> Iterator[object]:
    """Every node of the tree at and below `root`, in no particular order."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting.extend(node)
        # `tree`, `tree_expressions`, `tree_statements`.
        elif type(node).__module__.startswith(tree.__name__):
            yield node
            waiting.extend(getattr(node, name) for name in getattr(node, "__record_fields__", ()) if name != "span")


def mentioned(root: object) -> set[str]:
    """The first parts of all names that are read, called or used as a type below a node."""
    found: set[str] = set()
    for node in nodes(root):
        match node:
            case tree.NameExpression(parts=parts):
                found.add(parts[0])
            case tree.Call(function=name) | tree.TypeNode(name=name) | tree.HasField(field=name):
                found.add(name.text.split(".")[0])
    return found


def asks_target(root: object) -> bool:
    """Whether a `target has` stands anywhere below a node."""
    return any(isinstance(node, tree.TargetHas) for node in nodes(root))
