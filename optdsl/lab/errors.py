"""What goes wrong in the lab, apart from the kernel's own refusals."""

from collections.abc import Sequence


class LabError(Exception):
    """A program of the lab failed, or did not do what it should in time."""


class CommandError(LabError):
    """A command on a host ended with an error."""

    def __init__(self, host: str, command: Sequence[str], returncode: int, output: str) -> None:
        super().__init__(host, tuple(command), returncode, output)
        self.host = host
        self.command = tuple(command)
        self.returncode = returncode
        self.output = output.strip()

    def __str__(self) -> str:
        return f"on {self.host}: {' '.join(self.command)} ended with {self.returncode}\n{self.output}"
