"""A whole program in IR: what a back end turns into C or an object."""

from __future__ import annotations

from optdsl.ir.ops import Block, Parameter
from optdsl.ir.types import GlobalVariable, MapDefinition, Struct
from optdsl.record import record
from optdsl.source import Source, Span


@record
class Function:
    """A function. `struct bpf_sock_ops *ctx` is its first parameter and not listed.

    `returns` says whether it returns a number. `inline` asks the back ends to inline it; the others become BPF
    sub-programs, which have at most four parameters here and a stack frame of their own.
    """

    span: Span
    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    returns: bool
    inline: bool
    body: Block

    @property
    def is_independent(self) -> bool:
        """Whether the verifier shall look at it by itself, once, and not again at each call (Linux 5.6).

        Such a function is global and returns an int, 0 here; it may take the context and numbers, of which nothing is
        known then.
        """
        return not self.inline and not self.returns and all(each.points_to is None for each in self.parameters)


@record
class Program:
    """One BPF object with one sock_ops program.

    `entry` is the function in section `sockops`: no parameters, returns 1 always (0 would cancel the kernel's own
    reservation). `functions` come in an order in which callees stand before their callers; the entry is the last.
    `records` are the structs of `emit`, kept in the BTF although nothing but a local pointer names them.
    `counters` is the value type of the per-CPU map `counters` of one entry that `Count` adds to.
    """

    name: str
    sources: tuple[Source, ...]
    globals: tuple[GlobalVariable, ...]
    maps: tuple[MapDefinition, ...]
    records: tuple[Struct, ...]
    counters: Struct
    functions: tuple[Function, ...]
    entry: str
    license: str = "GPL"
    doc: str = ""

    def function(self, name: str) -> Function:
        return next(function for function in self.functions if function.name == name)

    def map(self, name: str) -> MapDefinition:
        return next(definition for definition in self.maps if definition.name == name)

    def global_variable(self, name: str) -> GlobalVariable:
        return next(variable for variable in self.globals if variable.name == name)
