"""How commands end when they cannot go on, and the exit statuses that scripts may rely on."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Exit statuses. From 70 on they follow conventions of BSD's sysexits, timeout(1) and shells (128 + signal)."""

    OK = 0
    INPUT = 1
    """Errors in the input, or files that cannot be read or written."""
    USAGE = 2
    """The command line asks for what does not exist."""
    INTERNAL = 70
    KERNEL_CRASHED = 71
    """A kernel of the lab panicked, or went away before the command that it ran ended."""
    KERNEL_COMPLAINED = 72
    """The command succeeded, but the kernel of the lab found something wrong with itself."""
    TIMED_OUT = 124
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class CommandError(Exception):
    """Ends a command: one sentence, and remarks that help, as (`note` or `help`, text)."""

    status = Status.INPUT

    def __init__(self, message: str, *remarks: tuple[str, str]) -> None:
        super().__init__(message)
        self.message = message
        self.remarks = remarks


class InputError(CommandError):
    """Something is wrong with a file: `file`, as the user named it, if it is one of the input."""

    def __init__(self, message: str, *remarks: tuple[str, str], file: str | None = None) -> None:
        super().__init__(message, *remarks)
        self.file = file


class UsageError(CommandError):
    """Something is wrong with the command line."""

    status = Status.USAGE


class AlreadyToldError(CommandError):
    """The diagnostics have been printed; only the status is left to say."""

    def __init__(self, status: Status = Status.INPUT) -> None:
        super().__init__("")
        self.status = status
