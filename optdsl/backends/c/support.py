"""Which helper functions and macros a generated file needs, and their text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from optdsl.backends.c.declarations import pointer_to, scalar_name
from optdsl.backends.c.names import Names, identifier
from optdsl.backends.c.support_text import NEEDS, OVERLAY_COMMENT, OVERLAYS, TEXTS
from optdsl.ir.program import Program
from optdsl.ir.types import MapDefinition, MapKind, Scalar, Struct

_INLINE = "static __always_inline "


def helper_names(program: Program) -> Iterator[str]:
    """The names of all helper functions that a file might get."""
    yield from TEXTS
    yield from OVERLAYS
    yield from (_accessor(definition) for definition in program.maps)
    yield from (f"reserve_{record.name}" for record in program.records)


class Support:
    """Collects what the functions of a program use.

    With `#line` directives the inline helpers carry no debug information of their own (`__nodebug`): clang 14 would
    give their line numbers, which are those of the C file, the name of the `.opt` file of the function around them.
    """

    def __init__(self, program: Program, names: Names, *, lines: bool, guard_callbacks: bool) -> None:
        self._program = program
        self._names = names
        self._lines = lines
        self._guard_callbacks = guard_callbacks
        # True if the file needs bpf_endian.h.
        self.swaps_bytes = False
        self._used: set[str] = set()
        self._accessors: dict[str, str] = {}
        # The ring buffer in which each record is reserved first. What is here is in the BTF.
        self._rings: dict[Struct, str] = {}

    def use(self, name: str) -> str:
        """The name in C of a helper, which is from now on part of the file."""
        self._used |= {name, *NEEDS.get(name, ())}
        self.swaps_bytes = self.swaps_bytes or not self._used.isdisjoint(OVERLAYS)
        if name == "enable_callbacks" and self._guard_callbacks:
            self._used.add("READ_ONCE")
        return self._names.helper(name)

    def map_accessor(self, definition: MapDefinition) -> str:
        """The function that looks up a value of a map: the socket's, or that of a key."""
        name = self._names.helper(_accessor(definition))
        value = definition.value
        if value is None:
            raise ValueError(f"map {definition.name} has no values")
        variable = identifier(definition.name)
        if definition.kind is MapKind.SK_STORAGE:
            self._accessors[name] = (
                f"/* The socket's entry in {variable}; NULL without a full socket (SYN-ACKs) or memory. */\n"
                f"{_INLINE}{pointer_to(value, f'{name}(struct bpf_sock_ops *ctx, __u64 flags)')}\n{{\n"
                "\tstruct bpf_sock *sk = ctx->sk;\n\n"
                f"\treturn sk ? bpf_sk_storage_get(&{variable}, sk, NULL, flags) : NULL;\n}}"
            )
        else:
            key = scalar_name(definition.key) if isinstance(definition.key, Scalar) else "__u32"
            self._accessors[name] = (
                f"{_INLINE}{pointer_to(value, f'{name}({key} key)')}\n{{\n"
                f"\treturn bpf_map_lookup_elem(&{variable}, &key);\n}}"
            )
        return name

    def reserve_record(self, map_name: str, record: Struct) -> str:
        """The function that reserves a record in a ring buffer. It is no inline function so that BTF has the struct."""
        name = self._names.helper(f"reserve_{record.name}")
        if self._rings.setdefault(record, map_name) != map_name:
            name += f"_in_{map_name}"
        struct = f"struct {identifier(record.name)}"
        self._accessors[name] = (
            f"/* Not inline: this function is what keeps {struct} in the BTF. */\n"
            f"static __noinline {struct} *{name}(void)\n{{\n"
            f"\treturn bpf_ringbuf_reserve(&{identifier(map_name)}, sizeof({struct}), 0);\n}}"
        )
        return name

    def is_reserved(self, record: Struct) -> bool:
        """True if a function of the file names the record."""
        return record in self._rings

    def texts(self) -> Iterator[str]:
        """The macros and functions, each as a paragraph of C."""
        overlays = [text for name, text in OVERLAYS.items() if name in self._used]
        if overlays:
            yield "\n".join([OVERLAY_COMMENT, *overlays])
        for name, text in TEXTS.items():
            if name in self._used:
                yield self._finish(self._fill(name, text))
        for text in self._accessors.values():
            yield self._finish(text)

    def _fill(self, name: str, text: str) -> str:
        if name == "count":
            return text.replace("%s", identifier(self._program.counters.name))
        if name == "enable_callbacks" and self._guard_callbacks:
            return text.replace("ctx->bpf_sock_ops_cb_flags |", "READ_ONCE(ctx->bpf_sock_ops_cb_flags) |")
        return text

    def _finish(self, text: str) -> str:
        for name in TEXTS:
            if self._names.helper(name) != name:
                text = re.sub(rf"\b{name}(?=\()", self._names.helper(name), text)
        return text.replace(_INLINE, f"{_INLINE}__nodebug ") if self._lines else text


def _accessor(definition: MapDefinition) -> str:
    return f"{definition.name}_get" if definition.kind is MapKind.SK_STORAGE else f"{definition.name}_lookup"
