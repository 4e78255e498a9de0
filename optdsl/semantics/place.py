"""Where an expression stands, and what may be used there; and what all checks of one compile share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError, Diagnostic, Diagnostics
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as wording
from optdsl.record import field, record
from optdsl.semantics import model
from optdsl.source import Source, Span
from optdsl.syntax import tree
from optdsl.targets import (
    Attribute,
    Direction,
    Event,
    KernelVersion,
    NeedsKernel,
    NeedsTarget,
    Target,
    UnknownName,
    WrongDirection,
)

if TYPE_CHECKING:
    from optdsl.semantics.scope import Broken, Namespace

MPTCP_OBJECTS = ("connection", "subflow")


@record
class Place:
    """The block that an expression stands in. `name` is for messages: "a `send` block"."""

    name: str
    full_socket: bool = True
    """There is a socket to ask: not while a SYN is answered."""
    why_not: str = ""
    """Why there is no full socket, or no state."""
    layout: model.Layout | None = None
    reads_fields: bool = False
    writes_fields: bool = False
    facts: frozenset[model.Fact] = frozenset()
    states: bool = True
    """States of the socket can be read."""
    constant: bool = False
    """Nothing that is known only at run time may stand here."""


CONSTANT = Place("a constant", full_socket=False, states=False, constant=True)


@record(frozen=False)
class Session:
    """What all checks of one compile share."""

    target: Target
    diagnostics: Diagnostics
    requirements: list[model.Requirement] = field(default_factory=list)
    modules: dict[str, Namespace | Broken] = field(default_factory=dict)
    quoted: list[Source] = field(default_factory=list)
    """Sources that checked expressions point into: the files, and the modules whose functions are inlined."""
    unused: list[Diagnostic] = field(default_factory=list)
    """Warnings that are told only where there is no error: after one, names may be used in what was not checked."""
    refused: dict[int, tree.Function] = field(default_factory=dict)
    """Functions with an error that has been told, by identity."""
    statements: int = 0
    """Statements checked so far, those of loops once for each round."""
    inlined: int = 0
    """Calls inlined in the statement being checked."""

    def refuse(self, *functions: tree.Function) -> None:
        """Notes that an error of these functions has been told."""
        self.refused.update((id(function), function) for function in functions)

    def require(self, version: KernelVersion, what: str) -> None:
        requirement = model.Requirement(version, what)
        if requirement not in self.requirements:
            self.requirements.append(requirement)

    def attribute(self, span: Span, path: str, direction: Direction) -> Attribute:
        """An attribute that the target has in a direction. Raises where it does not."""
        if path.split(".")[0] in MPTCP_OBJECTS:
            raise CompileError(wording.mptcp_only(span, f"`{path}`"))
        self._check(span, path, direction, "attribute")
        attribute = self.target.attribute(path)
        assert attribute is not None
        since = attribute.since(direction)
        assert since is not None
        self.require(since, f"{'reading' if direction is Direction.READ else 'setting'} {path}")
        return attribute

    def event(self, span: Span, name: str) -> Event:
        """An event that the target has. Raises where it does not."""
        self._check(span, name, None, "event")
        event = self.target.event(name)
        if event is None:
            raise CompileError(name_wording.unknown(span, "event", name, self.target.event_names()))
        self.require(event.since, f"event {name}")
        return event

    def has(self, path: tree.NameExpression) -> bool:
        """`target has PATH`. Raises for what no target has, because a misspelt name would silently be false."""
        if isinstance(self.target.why_not(path.text), UnknownName) and path.parts[0] not in MPTCP_OBJECTS:
            known = [*self.target.attribute_names(), *self.target.event_names()]
            raise CompileError(name_wording.unknown(path.span, "attribute or event", path.text, known))
        return self.target.has(path.text)

    def _check(self, span: Span, name: str, direction: Direction | None, what: str) -> None:
        match self.target.why_not(name, direction):
            case None:
                return
            case UnknownName():
                known = self.target.attribute_names() if what == "attribute" else self.target.event_names()
                raise CompileError(name_wording.unknown(span, what, name, known))
            case NeedsTarget() if what == "event":
                raise CompileError(wording.mptcp_only(span, f"event `{name}`"))
            case NeedsTarget():
                raise CompileError(wording.needs_patches(span, f"`{name}`"))
            case NeedsKernel(since=since, kernel=kernel):
                raise CompileError(wording.needs_kernel(span, f"`{name}`", str(since), str(kernel)))
            case WrongDirection(direction=Direction.READ):
                raise CompileError(wording.not_readable(span, name))
            case WrongDirection():
                raise CompileError(wording.not_writable(span, name))
