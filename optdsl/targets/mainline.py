"""Targets: what a program may use on a given kernel, and why not where it may not.

The tables are read when the first name is looked up.
"""

from collections.abc import Iterable, Mapping
from functools import cache

from optdsl.record import record
from optdsl.targets.attribute import Attribute
from optdsl.targets.event import Event
from optdsl.targets.version import BASELINE, KernelVersion
from optdsl.targets.vocabulary import Direction, TargetName


@record
class UnknownName:
    """No target has it; `similar` are names that look like it, best first."""

    name: str
    similar: tuple[str, ...]


@record
class NeedsTarget:
    """Another target has it."""

    name: str
    target: TargetName


@record
class NeedsKernel:
    """This target has it on a newer kernel."""

    name: str
    since: KernelVersion
    kernel: KernelVersion


@record
class WrongDirection:
    """The attribute exists, but no kernel can do this with it."""

    name: str
    direction: Direction


Reason = UnknownName | NeedsTarget | NeedsKernel | WrongDirection


@record
class UnknownTarget:
    """No target has this name."""

    name: str
    known: tuple[TargetName, ...]


@record
class UnavailableTarget:
    """The target is known, but programs cannot be compiled for it yet."""

    name: TargetName


@record
class Target:
    """What a program is compiled for. Without a `kernel`, everything that any known kernel offers is there."""

    name: TargetName
    kernel: KernelVersion | None = None

    def attribute(self, path: str) -> Attribute | None:
        """The attribute, where this target has it on this kernel in at least one direction."""
        found = _attributes().get(path)
        return found if found is not None and self.has(path) else None

    def event(self, name: str) -> Event | None:
        """The event, where this target has it on this kernel."""
        found = _events().get(name)
        return found if found is not None and self.has(name) else None

    def has(self, name: str, direction: Direction | None = None) -> bool:
        """Whether an attribute (in that direction, or in any) or an event is there: `if target has NAME`."""
        return self.why_not(name, direction) is None

    def why_not(self, name: str, direction: Direction | None = None) -> Reason | None:
        """Why an attribute (for that direction, or for any) or an event cannot be used here; None where it can."""
        attribute = _attributes().get(name)
        if attribute is not None:
            return self._missing_attribute(attribute, direction)
        event = _events().get(name)
        if event is not None:
            return self._missing(name, event.target, event.since)
        return UnknownName(name, self._similar(name))

    def attribute_names(self) -> tuple[str, ...]:
        """The attributes that are there, in the order of the documentation."""
        return tuple(path for path in _attributes() if self.has(path))

    def event_names(self) -> tuple[str, ...]:
        """The events that are there, in the order of the documentation."""
        return tuple(name for name in _events() if self.has(name))

    def _missing_attribute(self, attribute: Attribute, direction: Direction | None) -> Reason | None:
        if direction is None:
            offered = [since for each in Direction if (since := attribute.since(each)) is not None]
            return self._missing(attribute.path, attribute.target, min(offered))
        since = attribute.since(direction)
        if since is None:
            return WrongDirection(attribute.path, direction)
        return self._missing(attribute.path, attribute.target, since)

    def _missing(self, name: str, target: TargetName, since: KernelVersion) -> Reason | None:
        if target is TargetName.PATCHED and self.name is TargetName.MAINLINE:
            return NeedsTarget(name, target)
        if self.kernel is not None and self.kernel < since:
            return NeedsKernel(name, since, self.kernel)
        return None

    def _similar(self, name: str) -> tuple[str, ...]:
        from difflib import get_close_matches

        return tuple(get_close_matches(name, [*self.attribute_names(), *self.event_names()]))


def mainline(kernel: KernelVersion | None = None) -> Target:
    """Stock kernels: all known ones, or those from one on."""
    return Target(TargetName.MAINLINE, kernel)


def find_target(name: str, kernel: KernelVersion | None = None) -> Target | UnknownTarget | UnavailableTarget:
    """The target of that name; one that cannot be compiled for, or does not exist, is an error value."""
    if name == TargetName.MAINLINE:
        return mainline(kernel)
    if name == TargetName.PATCHED:
        return UnavailableTarget(TargetName.PATCHED)
    return UnknownTarget(name, tuple(TargetName))


def minimum_kernel(uses: Iterable[tuple[str, Direction | None]]) -> KernelVersion:
    """The oldest known kernel that offers all these attributes (each in its direction) and events (with None).

    Raises KeyError for a name that no target has, and for a direction in which the attribute cannot be used.
    """
    needed = BASELINE
    for name, direction in uses:
        needed = max(needed, _first_kernel(name, direction))
    return needed


def _first_kernel(name: str, direction: Direction | None) -> KernelVersion:
    event = _events().get(name)
    if event is not None:
        return event.since
    attribute = _attributes()[name]
    directions = tuple(Direction) if direction is None else (direction,)
    offered = [since for each in directions if (since := attribute.since(each)) is not None]
    if not offered:
        raise KeyError(f"{name} cannot be used to {direction}")
    return min(offered)


@cache
def _attributes() -> Mapping[str, Attribute]:
    """The attributes of all targets by path."""
    from optdsl.targets.attributes import ATTRIBUTES

    return {attribute.path: attribute for attribute in ATTRIBUTES}


@cache
def _events() -> Mapping[str, Event]:
    """The events of all targets by name."""
    from optdsl.targets.events import EVENTS
    from optdsl.targets.patched import PATCHED_EVENTS

    return {event.name: event for event in EVENTS + PATCHED_EVENTS}
