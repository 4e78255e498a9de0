"""Where an expression stands, and what may be used there; and what all checks of one compile share."""

from __future__ import annotations

from dataclasses import dataclass, field

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as wording
from optdsl.semantics import model
from optdsl.source import Span
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


@dataclass(frozen=True, slots=True)
class Place:
    """The block that an expression stands in. `name` is for messages: "a `send` block"."""

    name: str
    full_socket: bool = True
    """There is a socket to ask: not while a SYN is answered."""
    layout: model.Layout | None = None
    reads_fields: bool = False
    writes_fields: bool = False
    facts: frozenset[model.Fact] = frozenset()
    states: bool = True
    """States of the socket can be read."""


CONSTANT = Place("a constant", full_socket=False, states=False)


@dataclass(slots=True)
class Session:
    """What all checks of one compile share."""

    target: Target
    diagnostics: Diagnostics
    requirements: list[model.Requirement] = field(default_factory=list)
    modules: dict[str, object] = field(default_factory=dict)

    def require(self, version: KernelVersion, what: str) -> None:
        requirement = model.Requirement(version, what)
        if requirement not in self.requirements:
            self.requirements.append(requirement)

    def attribute(self, span: Span, path: str, direction: Direction) -> Attribute:
        """An attribute that the target has in a direction. Raises where it does not."""
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

    def _check(self, span: Span, name: str, direction: Direction | None, what: str) -> None:
        match self.target.why_not(name, direction):
            case None:
                return
            case UnknownName():
                known = self.target.attribute_names() if what == "attribute" else self.target.event_names()
                raise CompileError(name_wording.unknown(span, what, name, known))
            case NeedsTarget():
                raise CompileError(wording.needs_patches(span, f"`{name}`"))
            case NeedsKernel(since=since, kernel=kernel):
                raise CompileError(wording.needs_kernel(span, f"`{name}`", str(since), str(kernel)))
            case WrongDirection(direction=Direction.READ):
                raise CompileError(wording.not_readable(span, name, None))
            case WrongDirection():
                raise CompileError(wording.not_writable(span, name))
