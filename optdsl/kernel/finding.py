"""What one check of this machine found."""

from enum import StrEnum

from optdsl.record import record


class State(StrEnum):
    """How good a finding is: everything works, something is limited, something needed does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@record
class Finding:
    """One fact: what was looked at, how it is, and a command that mends it (empty if there is none)."""

    name: str
    state: State
    detail: str
    fix: str = ""


def ok(name: str, detail: str) -> Finding:
    """A finding that needs no attention."""
    return Finding(name, State.OK, detail)


def warn(name: str, detail: str, fix: str = "") -> Finding:
    """A finding that limits something."""
    return Finding(name, State.WARN, detail, fix)


def fail(name: str, detail: str, fix: str = "") -> Finding:
    """A finding that stops something."""
    return Finding(name, State.FAIL, detail, fix)
