"""Where the files that travel with the package are: the grammar, the standard library, the samples, the patches of the
kernel, the pages.

In a checkout the first four stand at the top level; in a wheel they are inside the package (see `pyproject.toml`).
The pages about diagnostics stand beside the modules that word them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_PAGES = _PACKAGE / "diagnostics" / "pages"


@cache
def folder(name: str) -> Path:
    """The folder `grammar`, `stdlib`, `samples` or `kernel-patches`."""
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


@cache
def grammar_text() -> str:
    return (folder("grammar") / "optdsl.lark").read_text(encoding="utf-8")


def module_text(name: str) -> str | None:
    """The text of `std.NAME`, or None if there is no such module."""
    path = folder("stdlib") / f"{name}.opt"
    return path.read_text(encoding="utf-8") if name.isidentifier() and path.is_file() else None


def module_names() -> list[str]:
    """The modules of the standard library, sorted."""
    return sorted(path.stem for path in folder("stdlib").glob("*.opt"))


@cache
def page_codes() -> tuple[str, ...]:
    """The codes of diagnostics that have a page, sorted."""
    return tuple(sorted(path.stem for path in _PAGES.glob("OPT*.md")))


def page_text(code: str) -> str:
    """The page about a code. Raises OSError if there is none."""
    return (_PAGES / f"{code}.md").read_text(encoding="utf-8")
