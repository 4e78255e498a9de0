"""Parts of the documentation that the program knows better: they are compared with it, or written anew."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from optdsl.targets import mainline
from optdsl.targets.tables import render_tables, target_tables

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def _expect(path: Path, marker: str, wanted: str, request: pytest.FixtureRequest) -> None:
    """What follows a marker, up to the next heading, is as wanted; or it is made so."""
    before, found, after = path.read_text(encoding="utf-8").partition(marker + "\n")
    assert found, f"{path.name} has no {marker}"
    rest = after.find("\n## ")
    tail = after[rest:] if rest >= 0 else ""
    if request.config.getoption("--update-golden"):
        path.write_text(before + found + wanted + tail, encoding="utf-8")
    else:
        assert before + found + wanted + tail == before + found + after, f"run `make golden` to renew {path.name}"


def test_targets(request: pytest.FixtureRequest) -> None:
    table = "\n".join(line.rstrip() for line in render_tables(target_tables(mainline())).strip().splitlines())
    _expect(DOCS / "targets.md", "<!-- output of: optdsl targets -->", f"```text\n{table}\n```\n", request)


def test_every_file_has_its_line(request: pytest.FixtureRequest) -> None:
    lines: list[str] = []
    folder = None
    for path in sorted((ROOT / "optdsl").rglob("*.py"), key=lambda path: (path.parent, path.name)):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if path.name == "__init__.py" and not doc:
            continue
        assert doc, f"{path} says nothing about itself"
        if path.parent != folder:
            folder = path.parent
            lines += ["", f"**`{folder.relative_to(ROOT)}/`**", "", "| file | what it is for |", "|---|---|"]
        first = " ".join(doc.split("\n\n")[0].split()).replace("|", "\\|")
        lines.append(f"| `{path.name}` | {first} |")
    _expect(
        DOCS / "how-it-works.md",
        "<!-- generated from the first line of each module -->",
        "\n".join(lines) + "\n",
        request,
    )
