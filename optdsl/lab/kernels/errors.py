"""What goes wrong with the kernels of the lab."""

from __future__ import annotations

from optdsl.lab.errors import LabError


class LabKernelError(LabError):
    """A kernel cannot be built or started: one sentence, and remarks as (`note` or `help`, text)."""

    def __init__(self, message: str, *remarks: tuple[str, str]) -> None:
        super().__init__(message, *remarks)
        self.message = message
        self.remarks = remarks

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"{word}: {text}" for word, text in self.remarks)])
