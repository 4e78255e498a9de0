"""What the checker knows at a point of a function: the names in scope, and what each pointer may be there.

Pointers are followed along every path. A pointer is a set of possibilities (`PointerState`): fresh from the kernel it
is NULL or LIVE, behind `if p is null { return }` it is LIVE alone, after `submit_record(p)` it is DEAD, and where
paths join it is the union.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from optdsl.ir.program import Function, Program
from optdsl.ir.types import Type
from optdsl.record import field, record
from optdsl.source import Span


class PointerState(Enum):
    """What a pointer may be: NULL, a pointer to memory, or a record that has been submitted."""

    NULL = "null"
    LIVE = "live"
    DEAD = "dead"


PointerStates = frozenset[PointerState]
FRESH: PointerStates = frozenset({PointerState.NULL, PointerState.LIVE})
LIVE: PointerStates = frozenset({PointerState.LIVE})
DEAD: PointerStates = frozenset({PointerState.DEAD})


@record
class Flow:
    """The pointers declared so far on the paths that lead here, or that no path does."""

    pointers: Mapping[str, PointerStates] = field(default_factory=lambda: MappingProxyType({}))
    reachable: bool = True

    def set(self, name: str, states: PointerStates) -> Flow:
        """The flow after the pointer became something else."""
        return Flow({**self.pointers, name: states}, self.reachable)

    def narrow(self, name: str, state: PointerState) -> Flow:
        """The flow where a test has shown the pointer to be in `state`; unreachable where it cannot be."""
        left = self.pointers.get(name, FRESH) & {state}
        return Flow({**self.pointers, name: left}, self.reachable and bool(left))

    def join(self, other: Flow) -> Flow:
        """The flow where two paths meet."""
        if not self.reachable or not other.reachable:
            return self if self.reachable else other
        pointers = dict(self.pointers)
        for name, states in other.pointers.items():
            pointers[name] = pointers.get(name, frozenset()) | states
        return Flow(pointers)


NOWHERE = Flow(reachable=False)


class Origin(Enum):
    """Where a pointer comes from."""

    PARAMETER = "parameter"
    MAP = "map"
    RECORD = "record"


@record
class NumberName:
    """A local number. Only parameters and what `Let` declares may be assigned to."""

    assignable: bool = False


@record
class PointerName:
    """A local pointer. `type` is None where the map that it points into is missing, which has been reported."""

    type: Type | None
    origin: Origin


@record
class BufferName:
    size: int


Name = NumberName | PointerName | BufferName


class Scope:
    """The names of one function while its body is walked, and where problems go.

    `callees` are the functions that stand before this one. `map_memory` are the pointer parameters of this one that
    must point to map memory (see `ops.LoadBytes`), `callees_map_memory` those of the callees. `again` says that the
    walk sees statements once more (loops), so that their declarations are no second ones.
    """

    def __init__(self, program: Program, function: Function, problems: dict[str, None]) -> None:
        self.program = program
        self.function = function
        self.globals = {variable.name: variable for variable in program.globals}
        self.maps = {definition.name: definition for definition in program.maps}
        self.callees: dict[str, Function] = {}
        self.callees_map_memory: dict[str, set[str]] = {}
        self.visible: dict[str, Name] = {}
        self.records: set[str] = set()
        self.map_memory: set[str] = set()
        self.again = False
        self._declared: set[str] = set()
        self._problems = problems

    def report(self, span: Span, message: str) -> None:
        """Adds a problem; the same one in the same place counts once."""
        self._problems[f"{self.function.name}: {span}: {message}"] = None

    def declare(self, span: Span, name: str, what: Name) -> None:
        """Brings a name into scope; reports one that the function has already."""
        if name in self._declared and not self.again:
            self.report(span, f"{name} is declared twice in this function")
        if isinstance(what, PointerName) and what.origin is Origin.RECORD:
            self.records.add(name)
        self._declared.add(name)
        self.visible[name] = what

    def use_global(self, span: Span, name: str) -> None:
        """Reports the use of a global variable, map or function where a local has its name (C would take the local)."""
        if name in self.visible:
            self.report(span, f"{name} of the program is hidden by the local {name}")

    def number(self, span: Span, name: str) -> NumberName | None:
        """The local number of a name; reports what is none."""
        found = self.visible.get(name)
        if not isinstance(found, NumberName):
            self._missing(span, name, found, "number")
            return None
        return found

    def pointer(self, span: Span, name: str) -> PointerName | None:
        """The local pointer of a name; reports what is none."""
        found = self.visible.get(name)
        if not isinstance(found, PointerName):
            self._missing(span, name, found, "pointer")
            return None
        return found

    def buffer(self, span: Span, name: str) -> BufferName | None:
        """The local buffer of a name; reports what is none."""
        found = self.visible.get(name)
        if not isinstance(found, BufferName):
            self._missing(span, name, found, "buffer")
            return None
        return found

    def _missing(self, span: Span, name: str, found: Name | None, wanted: str) -> None:
        reason = f"is not declared here ({wanted} expected)" if found is None else f"is not a {wanted}"
        self.report(span, f"{name} {reason}")
