"""What a command in a lab writes, as it comes: a file that grows, and where it is passed on to."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO


class Stream:
    """One stream of the command; `seen` holds all that has come so far."""

    def __init__(self, path: Path, sink: BinaryIO | None) -> None:
        self.file = path.open("rb")
        self.sink = sink
        self.seen = bytearray()

    def look(self) -> None:
        """Passes on what is new."""
        if piece := self.file.read():
            self.seen += piece
            if self.sink is not None:
                self.sink.write(piece)
                self.sink.flush()
