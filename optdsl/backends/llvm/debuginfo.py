"""Debug information: what becomes BTF types, and line information that quotes the `.opt` text.

Nothing here reaches the object as DWARF in the end; LLVM's BPF back end turns these nodes into `.BTF` and `.BTF.ext`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from optdsl.backends.llvm.metadata import Metadata, quote
from optdsl.ir.types import Array, ByteArray, MapDefinition, MapKind, Scalar, Struct, Type
from optdsl.record import record
from optdsl.source import Source, Span
from optdsl.targets.sockops import F_NO_PREALLOC

# The kernel's names for unsigned integers (include/uapi/asm-generic/int-ll64.h) and the C types behind them.
_C_TYPES = {8: "unsigned char", 16: "unsigned short", 32: "unsigned int", 64: "unsigned long long"}

# BTF keeps a column in ten bits and the line above them: `struct bpf_line_info`.
_MAX_COLUMN = 1023


@record
class Subprogram:
    """The debug node of a function, and the source it belongs to."""

    node: str
    source: Source


@record
class Argument:
    """A parameter of a function as BTF shows it: its name and the node of its type."""

    name: str
    type: str


def file_names(sources: Sequence[Source]) -> list[str]:
    """The names that stand for sources in objects: base names, with a number where two are alike.

    LLVM collects the lines of a file by its name, so files of one name in different folders must not share it.
    """
    names: list[str] = []
    for source in sources:
        name, count = source.base_name, 1
        while name in names:
            count += 1
            name = f"{source.base_name}#{count}"
        names.append(name)
    return names


class DebugInfo:
    """The debug nodes of one module."""

    __slots__ = ("_files", "_globals", "_types", "metadata", "unit")

    def __init__(self, metadata: Metadata, sources: Sequence[Source]) -> None:
        self.metadata = metadata
        self._types: dict[Type, str] = {}
        self._globals: list[str] = []
        self._files = {
            source: metadata.add(f'!DIFile(filename: {quote(name)}, directory: "", source: {quote(source.text)})')
            for name, source in zip(file_names(sources), sources, strict=True)
        }
        self.unit = metadata.reserve()

    def finish(self, main: Source) -> None:
        """Writes the compile unit; to be called once, when everything else has been described."""
        self.metadata.fill(
            self.unit,
            f'!DICompileUnit(language: DW_LANG_C99, file: {self.file(main)}, producer: "optdsl", isOptimized: true, '
            "runtimeVersion: 0, emissionKind: DebugDirectivesOnly, "
            f"globals: {self.metadata.tuple(self._globals)}, splitDebugInlining: false, nameTableKind: None)",
        )

    # ------------------------------------------------------------------------------------------- places in sources

    def file(self, source: Source) -> str:
        """The node of a source."""
        return self._files[source]

    def location(self, span: Span, subprogram: Subprogram) -> str:
        """The node of a place in the source, in the scope of a function."""
        scope = subprogram.node
        if span.source is not subprogram.source:
            scope = self.metadata.add(
                f"!DILexicalBlockFile(scope: {scope}, file: {self.file(span.source)}, discriminator: 0)"
            )
        line, column = span.source.position(span.start)
        shown = column if column <= _MAX_COLUMN else 0
        return self.metadata.add(f"!DILocation(line: {line}, column: {shown}, scope: {scope})")

    # ------------------------------------------------------------------------------------------------------- types

    def type(self, kind: Type) -> str:
        """The node of a type of memory."""
        if kind not in self._types:
            self._types[kind] = self._describe(kind)
        return self._types[kind]

    def pointer(self, target: str) -> str:
        """A pointer to the type of another node, or to nothing (`null`)."""
        return self.metadata.add(f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {target}, size: 64)")

    def integer(self) -> str:
        """C's `int`: what programs return, and the key of socket storage."""
        return self.metadata.add('!DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)')

    def context(self) -> str:
        """`struct bpf_sock_ops *`. Of the struct the kernel asks for the name; a mere declaration it does not take for
        the context of a global function."""
        nothing = self.metadata.tuple([])
        return self.pointer(
            self.metadata.add(
                f'!DICompositeType(tag: DW_TAG_structure_type, name: "bpf_sock_ops", size: 0, elements: {nothing})'
            )
        )

    def _describe(self, kind: Type) -> str:
        match kind:
            case Scalar():
                return self._scalar(kind)
            case ByteArray():
                return self._array(self._character() if kind.text else self._scalar(Scalar(8)), kind.length, kind.size)
            case Array():
                return self._array(self.type(kind.element), kind.length, kind.size)
            case Struct():
                members = [
                    self._member(member.name, self.type(member.type), member.type.size, kind.offset(member.name))
                    for member in kind.members
                ]
                return self._struct(kind.name, members, kind.size)
            case _:
                assert_never(kind)

    def _scalar(self, kind: Scalar) -> str:
        name = _C_TYPES[kind.bits]
        encoding = "DW_ATE_unsigned_char" if kind.bits == 8 else "DW_ATE_unsigned"
        base = self.metadata.add(f'!DIBasicType(name: "{name}", size: {kind.bits}, encoding: {encoding})')
        base = self._typedef(f"__u{kind.bits}", base)
        return self._typedef(kind.alias, base) if kind.alias else base

    def _typedef(self, name: str, base: str) -> str:
        return self.metadata.add(f"!DIDerivedType(tag: DW_TAG_typedef, name: {quote(name)}, baseType: {base})")

    def _character(self) -> str:
        return self.metadata.add('!DIBasicType(name: "char", size: 8, encoding: DW_ATE_signed_char)')

    def _array(self, element: str, length: int, size: int) -> str:
        bounds = self.metadata.tuple([self.metadata.add(f"!DISubrange(count: {length})")])
        return self.metadata.add(
            f"!DICompositeType(tag: DW_TAG_array_type, baseType: {element}, size: {size * 8}, elements: {bounds})"
        )

    def _member(self, name: str, kind: str, size: int, offset: int) -> str:
        return self.metadata.add(
            f"!DIDerivedType(tag: DW_TAG_member, name: {quote(name)}, baseType: {kind}, size: {size * 8}, "
            f"offset: {offset * 8})"
        )

    def _struct(self, name: str, members: Iterable[str], size: int) -> str:
        named = f"name: {quote(name)}, " if name else ""
        return self.metadata.add(
            f"!DICompositeType(tag: DW_TAG_structure_type, {named}size: {size * 8}, "
            f"elements: {self.metadata.tuple(members)})"
        )

    # ----------------------------------------------------------------------------------------------------- globals

    def variable(self, name: str, kind: str) -> str:
        """The expression to attach to a global variable."""
        node = self.metadata.add(
            f"!DIGlobalVariable(name: {quote(name)}, scope: {self.unit}, type: {kind}, isLocal: false, "
            "isDefinition: true)"
        )
        expression = self.metadata.add(f"!DIGlobalVariableExpression(var: {node}, expr: !DIExpression())")
        self._globals.append(expression)
        return expression

    def constant(self, kind: str) -> str:
        """The const-qualified type."""
        return self.metadata.add(f"!DIDerivedType(tag: DW_TAG_const_type, baseType: {kind})")

    def map(self, definition: MapDefinition) -> tuple[str, int]:
        """The expression to attach to a map, and the number of pointers in its definition.

        libbpf reads a definition from BTF alone: a struct whose members are pointers, to `int[N]` for a number N
        (`__uint` of bpf_helpers.h) and to T for a type T (`__type`).
        """
        targets = [("type", self._number(definition.kind.value))]
        if definition.kind is MapKind.SK_STORAGE:
            targets += [("map_flags", self._number(F_NO_PREALLOC)), ("key", self.integer())]
        else:
            targets.append(("max_entries", self._number(definition.max_entries)))
            if definition.key is not None:
                targets.append(("key", self.type(definition.key)))
        if definition.value is not None:
            targets.append(("value", self.type(definition.value)))
        members = [self._member(name, self.pointer(node), 8, 8 * i) for i, (name, node) in enumerate(targets)]
        return self.variable(definition.name, self._struct("", members, 8 * len(members))), len(members)

    def _number(self, number: int) -> str:
        return self._array(self.integer(), number, 4 * number)

    # --------------------------------------------------------------------------------------------------- functions

    def subprogram(
        self,
        name: str,
        span: Span,
        returns: str,
        arguments: Sequence[Argument],
        *,
        local: bool,
        kept: Iterable[str] = (),
    ) -> Subprogram:
        """The node of a function that returns the type `returns` (`null` for none).

        The kernel refuses BTF with unnamed arguments. `kept` are types that shall stay in the BTF although no prototype
        and no variable has them: the back end collects the type of every named argument, also of those whose number
        is past the last one of the prototype.
        """
        file, line = self.file(span.source), span.line
        types = self.metadata.tuple([returns, *(argument.type for argument in arguments)])
        prototype = self.metadata.add(f"!DISubroutineType(types: {types})")
        node = self.metadata.reserve()
        named = [*arguments, *(Argument("record", kind) for kind in kept)]
        retained = self.metadata.tuple(
            self.metadata.add(
                f"!DILocalVariable(name: {quote(argument.name)}, arg: {number}, scope: {node}, file: {file}, "
                f"line: {line}, type: {argument.type})"
            )
            for number, argument in enumerate(named, start=1)
        )
        scope = "DISPFlagLocalToUnit | " if local else ""
        self.metadata.fill(
            node,
            f"!DISubprogram(name: {quote(name)}, scope: {file}, file: {file}, line: {line}, type: {prototype}, "
            f"scopeLine: {line}, flags: DIFlagPrototyped, spFlags: {scope}DISPFlagDefinition | DISPFlagOptimized, "
            f"unit: {self.unit}, retainedNodes: {retained})",
        )
        return Subprogram(node, span.source)
