"""Layouts as the encoder and the decoder walk over them: in groups of fields that are there together or not at all."""

from __future__ import annotations

from itertools import groupby

from optdsl.semantics import model

WINDOW = 72
"""Bytes of a wire buffer whose offsets are known only at run time: 64 that an offset can name, and one word."""


def groups(layout: model.Layout) -> list[tuple[model.Field, ...]]:
    """The fields in wire order; those that follow each other behind one flag together, every other field alone."""
    numbered = enumerate(layout.fields)
    return [tuple(field for _, field in run) for _, run in groupby(numbered, lambda pair: pair[1].flag or pair[0])]


def has_dynamic_offsets(option: model.Option) -> bool:
    """Whether a field's place on the wire is known only at run time: it follows fields that a flag announces."""
    return any(group[0].flag for group in groups(option.layout)[:-1])


def wire_size(option: model.Option) -> int:
    """Bytes of a buffer for an option."""
    return WINDOW if has_dynamic_offsets(option) else option.layout.largest


def search_pattern(layout: model.Layout) -> bytes:
    """What `bpf_load_hdr_opt()` searches for: (kind, 0), or for experiments (kind, 4 or 6, ExID)."""
    kind, exid = layout.header[0], layout.header[2:]
    return bytes((kind, len(layout.header) if exid else 0)) + exid
