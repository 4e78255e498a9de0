"""The one exception of this back end."""

from __future__ import annotations


class BackendError(Exception):
    """Code generation failed: a limit of the target, or a defect of this compiler.

    `stage` is what was being done (`emit`, `parse`, `optimise`, `generate`), `resources` where this machine did not let
    it be done, or `crash` where LLVM died of a defect. `message` is one or several lines without a final newline.
    `file` (a base name) and `line` (from 1) lead to the source where LLVM named it, else they are None.
    """

    def __init__(self, stage: str, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(stage, message, file, line)
        self.stage = stage
        self.message = message
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file is not None else ""
        return f"{place}{self.stage}: {self.message}"
