"""The sources that a program's code comes from: its files, and the modules whose functions were inlined."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir.program import Function
from optdsl.source import Source, Span


def sources_of(files: tuple[Source, ...], functions: tuple[Function, ...]) -> tuple[Source, ...]:
    """Every source that a span points into: the files first, then others in the order in which code names them."""
    found = dict.fromkeys(files)
    for span in _spans(functions):
        found.setdefault(span.source)
    return tuple(found)


def _spans(node: object) -> Iterator[Span]:
    """The spans inside the operations of the IR, which are dataclasses and tuples of such."""
    if isinstance(node, Span):
        yield node
    elif isinstance(node, tuple):
        for each in node:
            yield from _spans(each)
    else:
        for name in getattr(node, "__dataclass_fields__", ()):
            yield from _spans(getattr(node, name))
