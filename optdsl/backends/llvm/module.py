"""Puts the LLVM IR text of a program together.

    before  Program(globals, maps, functions, ...)
    after   source_filename, layout and target; globals in `.data.params` and `.rodata`, maps in `.maps`, the licence;
            functions, the entry in section `sockops`; declarations of intrinsics, attributes, debug metadata

The text depends on the program alone: no path, no time, no order of a hash.
"""

from __future__ import annotations

from optdsl.backends.llvm.calls import COUNTER_BYTES
from optdsl.backends.llvm.debuginfo import Argument, DebugInfo
from optdsl.backends.llvm.frame import Frame, argument
from optdsl.backends.llvm.metadata import Metadata, quote
from optdsl.backends.llvm.statements import run
from optdsl.backends.llvm.writer import Writer
from optdsl.ir.ops import Parameter
from optdsl.ir.program import Function, Program
from optdsl.ir.types import GlobalVariable, MapDefinition, Scalar, Section, encode
from optdsl.targets.sockops import Helper

_DATA_LAYOUT = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"

# BPF has neither a C library to call nor (before cpu v4) indirect jumps.
_ATTRIBUTES = 'nounwind optsize "no-builtins" "no-jump-tables"="true"'

# The map that `Count` adds to.
_COUNTERS = "counters"


def module_text(program: Program) -> str:
    """The LLVM IR of a program."""
    return _Module(program).text()


class _Module:
    """The parts of the module under construction."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.metadata = Metadata()
        self.debug = DebugInfo(self.metadata, program.sources)
        self.declarations: set[str] = set()
        self.used: list[str] = []
        self.counter = _free_name(program, "count")

    def text(self) -> str:
        program = self.program
        main = program.sources[0]
        data = [self._global(variable) for variable in program.globals]
        data += [self._map(definition) for definition in program.maps]
        data.append(self._license())
        functions = [self._function(function) for function in program.functions]
        if any(definition.name == _COUNTERS for definition in program.maps):
            functions.insert(0, self._count_function())
        used = ", ".join(f"ptr @{name}" for name in self.used)
        data.append(
            f'@llvm.compiler.used = appending global [{len(self.used)} x ptr] [{used}], section "llvm.metadata"'
        )
        self.debug.finish(main)
        flags = (
            self.metadata.add('!{i32 7, !"Dwarf Version", i32 5}'),
            self.metadata.add('!{i32 2, !"Debug Info Version", i32 3}'),
        )
        lines = [
            f"source_filename = {quote(main.base_name)}",
            f'target datalayout = "{_DATA_LAYOUT}"',
            'target triple = "bpfel"',
            "",
            *data,
            "",
            *functions,
            *sorted(self.declarations),
            "",
            f"attributes #0 = {{ {_ATTRIBUTES} }}",
            "",
            f"!llvm.dbg.cu = !{{{self.debug.unit}}}",
            f"!llvm.module.flags = !{{{', '.join(flags)}}}",
            *self.metadata.lines(),
        ]
        return "\n".join(lines) + "\n"

    # -------------------------------------------------------------------------------------------------------- data

    def _global(self, variable: GlobalVariable) -> str:
        self.used.append(variable.name)
        kind = self.debug.type(variable.type)
        constant = variable.section is Section.CONSTANTS
        attached = self.debug.variable(variable.name, self.debug.constant(kind) if constant else kind)
        data = encode(variable.type, variable.initial)
        return (
            f"@{variable.name} = {'constant' if constant else 'global'} [{len(data)} x i8] c{quote(data)}, "
            f'section "{variable.section.value}", align 8, !dbg {attached}'
        )

    def _map(self, definition: MapDefinition) -> str:
        self.used.append(definition.name)
        attached, length = self.debug.map(definition)
        return (
            f'@{definition.name} = global [{length} x ptr] zeroinitializer, section ".maps", align 8, !dbg {attached}'
        )

    def _license(self) -> str:
        name = _free_name(self.program, "_license")
        self.used.append(name)
        data = self.program.license.encode() + b"\0"
        return f'@{name} = global [{len(data)} x i8] c{quote(data)}, section "license", align 1'

    # --------------------------------------------------------------------------------------------------- functions

    def _function(self, function: Function) -> str:
        is_entry = function.name == self.program.entry
        subprogram = self.debug.subprogram(
            function.name,
            function.span,
            self._return_type(function, is_entry),
            [Argument("ctx", self.debug.context()), *map(self._argument, function.parameters)],
            local=not is_entry and not function.is_independent,
            kept=[self.debug.type(record) for record in self.program.records] if is_entry else (),
        )
        writer = Writer(self.debug, subprogram, self.declarations, function.span)
        frame = Frame(self.program, function, writer, self.counter)
        if function.is_independent:
            _keep_arguments(writer, function)
        _body(frame, is_entry)
        parameters = ", ".join(["ptr %ctx", *(_parameter(parameter) for parameter in function.parameters)])
        if is_entry:
            self.used.append(function.name)
            head = f'define i32 @{function.name}({parameters}) #0 section "sockops"'
        elif function.is_independent:
            self.used.append(function.name)
            head = f"define i32 @{function.name}({parameters}) #0 noinline"
        else:
            result = "i64" if function.returns else "void"
            inline = "alwaysinline" if function.inline else "noinline"
            head = f"define internal {result} @{function.name}({parameters}) #0 {inline}"
        return "\n".join([f"{head} !dbg {subprogram.node} {{", *writer.lines(), "}", ""])

    def _return_type(self, function: Function, is_entry: bool) -> str:
        if is_entry or function.is_independent:
            return self.debug.integer()
        return self.debug.type(Scalar(64)) if function.returns else "null"

    def _argument(self, parameter: Parameter) -> Argument:
        if parameter.points_to is None:
            return Argument(parameter.name, self.debug.type(Scalar(64)))
        return Argument(parameter.name, self.debug.pointer(self.debug.type(parameter.points_to)))

    def _count_function(self) -> str:
        """`Count` as a sub-program: two instructions at each of its many places instead of a dozen.

        It is verified by itself, so that it must check what every caller knows: that there is such a counter.
        """
        span = self.program.function(self.program.entry).span
        index = Argument("index", self.debug.type(Scalar(64)))
        subprogram = self.debug.subprogram(self.counter, span, self.debug.integer(), [index], local=False)
        self.used.append(self.counter)
        writer = Writer(self.debug, subprogram, self.declarations, span)
        key = writer.slot("i32", "0", alignment=4)
        known, found, end = writer.label("known"), writer.label("found"), writer.label("end")
        counters = self.program.counters.size // COUNTER_BYTES
        writer.branch(writer.value(f"icmp ult i64 %index, {counters}"), known, end)
        writer.start(known)
        helper = f"inttoptr (i64 {Helper.MAP_LOOKUP_ELEM.value} to ptr)"
        first = writer.value(f"call ptr {helper}(ptr @{_COUNTERS}, ptr {key})")
        writer.branch(writer.value(f"icmp eq ptr {first}, null"), end, found)
        writer.start(found)
        counter = writer.value(f"getelementptr i64, ptr {first}, i64 %index")
        more = writer.value(f"add i64 {writer.value(f'load i64, ptr {counter}, align 8')}, 1")
        writer.effect(f"store i64 {more}, ptr {counter}, align 8")
        writer.jump(end)
        writer.start(end)
        writer.effect("ret i32 0")
        head = f"define i32 @{self.counter}(i64 %index) #0 noinline !dbg {subprogram.node} {{"
        return "\n".join([head, *writer.lines(), "}", ""])


def _body(frame: Frame, is_entry: bool) -> None:
    """All ways out lead to one end, where the buffers' lives end and the result is returned."""
    writer, function = frame.writer, frame.function
    for parameter in function.parameters:
        if parameter.points_to is None:
            frame.assign(parameter.name, argument(parameter.name))
        else:
            frame.parameter(parameter.name, parameter.points_to)
    if function.returns:
        # A program that returned 0 would cancel the option space that others reserved.
        frame.result = writer.slot("i64", "1" if is_entry else "0")
    if run(frame, function.body):
        writer.at(function.span)
        writer.jump(frame.exit)
    writer.start(frame.exit)
    writer.at(function.span)
    for buffer in frame.buffers.values():
        writer.lifetime("end", buffer.operand, buffer.room)
    if frame.result is None:
        writer.effect("ret i32 1" if is_entry else "ret i32 0" if function.is_independent else "ret void")
        return
    result = writer.value(f"load i64, ptr {frame.result}, align 8")
    if is_entry:
        writer.effect(f"ret i32 {writer.value(f'trunc i64 {result} to i32')}")
    else:
        writer.effect(f"ret i64 {result}")


def _keep_arguments(writer: Writer, function: Function) -> None:
    """Uses all arguments of a global function, without an instruction: of those that the body does not use LLVM would
    have callers pass anything, and the verifier checks them all."""
    arguments = ["ptr %ctx", *(_parameter(each) for each in function.parameters)]
    writer.effect(f'call void asm sideeffect "", "{",".join("r" for _ in arguments)}"({", ".join(arguments)})')


def _parameter(parameter: Parameter) -> str:
    return f"{'i64' if parameter.points_to is None else 'ptr'} {argument(parameter.name)}"


def _free_name(program: Program, wish: str) -> str:
    """A name that neither a function nor a variable nor a map of the program has."""
    taken = {item.name for items in (program.functions, program.globals, program.maps) for item in items}
    while wish in taken:
        wish += "_"
    return wish
