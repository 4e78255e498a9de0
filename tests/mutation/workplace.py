"""Copies of the tree in which mutants live, and pytest in there. The tree itself is never touched."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mutation.mutant import Mutant

ROOT: Final = Path(__file__).resolve().parents[2]

_LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "build", "dist", "__pycache__")
_LONGEST: Final = 1800
"""Seconds after which a run of pytest is ended."""


class WrongPackageError(Exception):
    """Python in the copy imports another optdsl than the copy's."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """A copy of the tree."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, template: Path = ROOT) -> Workplace:
        """Copies the tree, or another workplace with what Python has compiled there. Raises `WrongPackageError`."""
        shutil.copytree(template, folder, ignore=_LEFT_OUT if template == ROOT else None, symlinks=True)
        made = cls(folder)
        made._check_import()
        return made

    @contextmanager
    def with_mutant(self, mutant: Mutant) -> Iterator[None]:
        """Has the mistake in the copy inside of the `with` block. Raises `StaleMutantError`."""
        path, before = self.folder / mutant.file, mutant.read(self.folder)
        mutated = mutant.applied(before)
        try:
            self._write(path, mutated)
            yield
        finally:
            self._write(path, before)

    def pytest(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs tests of the copy on the compiler of the copy. Kernel tests must not skip: that would judge nothing."""
        options = ("-q", "-x", "-rfE", "--tb=line", "-p", "mutation.no_shrinking")
        command = [sys.executable, "-m", "pytest", *options, *arguments]
        environment = self._environment | {"OPTDSL_REQUIRE_KERNEL": "1"}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=_LONGEST
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": f"{self.folder}{os.pathsep}{self.folder / 'tests'}", "COLUMNS": "200"}

    def _check_import(self) -> None:
        """An editable installation leads to the tree, and would have every mutant survive."""
        script = "import optdsl; print(optdsl.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", script], cwd="/", env=self._environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        if not Path(found).is_relative_to(self.folder):
            raise WrongPackageError(f"tests in {self.folder} would import {found}")

    @staticmethod
    def _write(path: Path, text: str) -> None:
        """Writes a source. What Python has compiled of it goes: it knows the time of a source to the second only."""
        path.write_text(text, encoding="utf-8")
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
