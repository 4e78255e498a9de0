"""The codes of all diagnostics that the package builds, found in its source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import optdsl

PACKAGE = Path(optdsl.__file__).parent


def built_codes() -> set[str]:
    """Every code that stands in a module of the package as a constant of its own."""
    return {code for path in PACKAGE.rglob("*.py") for code in _codes(path)}


def _codes(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text for text in texts if re.fullmatch(r"OPT\d{4}", text)}
