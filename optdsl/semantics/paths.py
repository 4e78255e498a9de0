"""The ways through a `send` block: every one of them must give the right fields their values."""

from __future__ import annotations

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import layouts as wording
from optdsl.semantics import model
from optdsl.semantics.statements import Path
from optdsl.source import Span
from optdsl.syntax import tree


def check_paths(node: tree.Send, layout: model.Layout, paths: frozenset[Path]) -> None:
    """Raises where a way leaves out a field that is always there, or gives some optional fields without others."""
    opening = Span(node.body.span.source, node.body.span.start, node.body.span.start + 1)
    ways = sorted(paths, key=sorted)
    missing = [each for each in layout.fields if _must_have(each, layout) and any(each.name not in way for way in ways)]
    if missing:
        names = [each.name for each in missing]
        never = not any(name in way for name in names for way in ways)
        raise CompileError(wording.not_assigned(opening, names, missing[0].span, never=never))
    for way in ways:
        _check_flags(opening, layout, way)
        _check_trailing(opening, layout, way)


def _must_have(field: model.Field, layout: model.Layout) -> bool:
    """Fields that are always on the wire and that the compiler does not fill itself."""
    if field.is_reserved or field.presence is not model.Presence.ALWAYS:
        return False
    if field.repeat is not None:
        return field.repeat.low > 0
    return not layout.guarded_by(field.name)


def _check_flags(span: Span, layout: model.Layout, way: Path) -> None:
    for flag in sorted({each.flag for each in layout.fields if each.flag}):
        guarded = layout.guarded_by(flag)
        given = [each.name for each in guarded if each.name in way]
        missing = [each.name for each in guarded if each.name not in way]
        if given and missing:
            why = f"flag `{flag}` tells that all of its fields follow"
            raise CompileError(wording.together(span, given[0], missing[0], why))


def _check_trailing(span: Span, layout: model.Layout, way: Path) -> None:
    absent: str | None = None
    for each in layout.fields:
        if each.presence is not model.Presence.LENGTH:
            continue
        if each.name not in way:
            absent = each.name
        elif absent is not None:
            why = "only the length tells which fields are there, so they are left out from the last"
            raise CompileError(wording.together(span, each.name, absent, why))


def sizes_written(layout: model.Layout, paths: frozenset[Path], body: model.Block) -> tuple[int, int]:
    """Bytes of the option at least and at most, as a block writes it."""
    if not paths:
        return layout.smallest, layout.largest
    sizes = [_size(layout, way) for way in paths]
    fewest = sum(each.repeat.low * each.bits // 8 for each in layout.fields if each.repeat is not None)
    return min(sizes) + fewest, max(sizes) + _elements(body)


def _size(layout: model.Layout, way: Path) -> int:
    """Bytes of the option with the optional fields of a way, without repeated fields."""
    bits = 0
    for each in layout.fields:
        if each.repeat is None and (each.presence is model.Presence.ALWAYS or each.name in way):
            bits += each.bits
    return len(layout.header) + bits // 8


def _elements(body: model.Block) -> int:
    """Bytes of repeated fields, at most, over all ways through a block."""
    most = 0
    for statement in body:
        match statement:
            case model.SetElements(field=field, elements=elements):
                most = max(most, len(elements) * field.bits // 8)
            case model.If(yes=yes, no=no):
                most = max(most, _elements(yes), _elements(no))
    return most
