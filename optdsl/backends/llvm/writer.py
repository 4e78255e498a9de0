"""Writes the instructions of one function: numbers its values and labels and puts the source line on each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.backends.llvm.debuginfo import DebugInfo, Subprogram
from optdsl.source import Span


class Writer:
    """Instructions in the order of the calls; stack slots are put at the function's start.

    Values and addresses are the operand texts of LLVM: `%t.3`, `42`, `@params`.
    """

    __slots__ = ("_count", "_debug", "_lines", "_location", "_slots", "_subprogram", "block", "declarations")

    def __init__(self, debug: DebugInfo, subprogram: Subprogram, declarations: set[str], span: Span) -> None:
        self.declarations = declarations
        self.block = "entry"
        self._debug = debug
        self._subprogram = subprogram
        self._count = 0
        self._slots: list[str] = []
        self._lines: list[str] = []
        self.at(span)

    def at(self, span: Span) -> None:
        """The following instructions come from there."""
        self._location = self._debug.location(span, self._subprogram)

    # ------------------------------------------------------------------------------------------------ instructions

    def value(self, instruction: str) -> str:
        """An instruction with a result."""
        name = f"%{self._fresh('t')}"
        self.effect(f"{name} = {instruction}")
        return name

    def effect(self, instruction: str) -> None:
        """An instruction without a result."""
        self._lines.append(f"  {instruction}, !dbg {self._location}")

    def intrinsic(self, result: str, name: str, *arguments: str) -> str:
        """Calls an intrinsic function that returns `result`; an argument is a type and an operand."""
        types = ", ".join(argument.split(" ", 1)[0] for argument in arguments)
        self.declarations.add(f"declare {result} @llvm.{name}({types})")
        call = f"call {result} @llvm.{name}({', '.join(arguments)})"
        if result != "void":
            return self.value(call)
        self.effect(call)
        return ""

    def offset(self, pointer: str, offset: int | str) -> str:
        """The pointer `offset` bytes further."""
        if offset == 0:
            return pointer
        return self.value(f"getelementptr inbounds i8, ptr {pointer}, i64 {offset}")

    def opaque(self, value: str) -> str:
        """The same number, of which the optimiser no longer knows anything.

        So it cannot drop or move a bound that the verifier needs to see next to the access.
        """
        return self.value(f'call i64 asm sideeffect "", "=r,0"(i64 {value})')

    # ----------------------------------------------------------------------------------------------- control flow

    def label(self, hint: str) -> str:
        """A fresh name of a block."""
        return self._fresh(hint)

    def start(self, label: str) -> None:
        """Begins a block."""
        self._lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        self.effect(f"br label %{label}")

    def branch(self, flag: str, yes: str, no: str) -> None:
        self.effect(f"br i1 {flag}, label %{yes}, label %{no}")

    def phi(self, kind: str, *incoming: tuple[str, str]) -> str:
        """The value that belongs to the block the control came from; pairs of value and label."""
        return self.value(f"phi {kind} " + ", ".join(f"[ {value}, %{label} ]" for value, label in incoming))

    # ------------------------------------------------------------------------------------------------------- stack

    def slot(self, kind: str, initial: str | None = None, alignment: int = 8) -> str:
        """A place on the stack, at the function's start; variables that LLVM keeps in registers begin as one as well.

        With an initial value it is never undefined, whatever path is taken.
        """
        name = f"%{self._fresh('slot')}"
        self._slots.append(f"  {name} = alloca {kind}, align {alignment}")
        if initial is not None:
            self._slots.append(f"  store {kind} {initial}, ptr {name}, align {alignment}")
        return name

    @contextmanager
    def scratch(self, size: int) -> Iterator[str]:
        """Stack space of `size` bytes for the duration of a `with`, for the arguments of one call."""
        name = self.slot(f"[{size} x i8]")
        self.lifetime("start", name, size)
        yield name
        self.lifetime("end", name, size)

    def lifetime(self, edge: str, pointer: str, size: int) -> None:
        """Marks the `start` or the `end` of the use of stack space, which may be shared outside of it."""
        self.intrinsic("void", f"lifetime.{edge}.p0", f"i64 {size}", f"ptr {pointer}")

    def lines(self) -> list[str]:
        """The body of the function."""
        return ["entry:", *self._slots, *self._lines]

    def _fresh(self, hint: str) -> str:
        self._count += 1
        return f"{hint}.{self._count}"
