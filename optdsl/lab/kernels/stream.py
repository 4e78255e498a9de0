"""What a command in a lab writes, as it comes: a file that grows, and where it is passed on to."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from optdsl.lab.kernels.errors import LabKernelError

_NAMES: Final = {"stdout": "standard output", "stderr": "standard error output"}


class Stream:
    """One stream of the command; `seen` holds all that has come so far."""

    def __init__(self, path: Path, sink: BinaryIO | None) -> None:
        self.name = path.name
        self.file = path.open("rb")
        self.sink = sink
        self.seen = bytearray()

    def look(self) -> None:
        """Passes on what is new. Raises LabKernelError where that fails, say on a full disk, and BrokenPipeError."""
        if piece := self.file.read():
            self.seen += piece
            self._pass_on(piece)

    def _pass_on(self, piece: bytes) -> None:
        sink, self.sink = self.sink, None  # what fails is told once
        if sink is None:
            return
        try:
            sink.write(piece)
            sink.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise LabKernelError(f"cannot write to the {_NAMES[self.name]}: {error.strerror}") from None
        self.sink = sink
