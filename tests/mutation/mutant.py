"""A mutant: one mistake that somebody could make in the compiler, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class StaleMutantError(Exception):
    """The source has moved on: the text of a mutant is not there, or is there several times."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`new` instead of `old`, which stands exactly once in `file`, is a mistake that `tests` notice.

    Paths begin at the top of the repository. `tests` are arguments of pytest, the fastest first. Golden files are not
    among them: they tell that something has changed, never what is right.
    """

    name: str
    meaning: str
    """The mistake in the words of the field."""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The text of the file with the mistake in it. Raises `StaleMutantError`."""
        found = text.count(self.old)
        if found != 1:
            raise StaleMutantError(
                f"mutant {self.name}: its text stands {found} times in {self.file}, not once:\n{self.old}"
            )
        return text.replace(self.old, self.new)

    def read(self, root: Path) -> str:
        """The file as it is. Raises `StaleMutantError` where there is none."""
        try:
            return (root / self.file).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise StaleMutantError(f"mutant {self.name}: there is no {self.file}") from None
