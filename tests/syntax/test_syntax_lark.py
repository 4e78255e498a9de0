"""The parser's run over lark's tables gives what lark itself gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from optdsl.resources import grammar_text
from optdsl.syntax.lalr import UnexpectedTokenError, run
from optdsl.syntax.lexer import UnknownCharacterError
from optdsl.syntax.tables import tables

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```opt[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Plain:
    """Builds nodes as (rule, start, end, children) and tokens as their text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def token(self, terminal: str, start: int, end: int) -> object:
        del terminal
        return self.text[start:end]

    def node(self, rule: str, start: int, end: int, children: list[Any]) -> object:
        return rule, start, end, children

    def too_deep(self, start: int) -> Exception:
        return AssertionError(start)


def ours(text: str) -> object:
    """The plain tree, or where the first token is that has no place."""
    try:
        return run(tables(), text, Plain(text), 1000)
    except UnknownCharacterError as error:
        return error.position
    except UnexpectedTokenError as error:
        return error.token.start, error.expected


def larks(lark: Lark, text: str) -> object:
    try:
        return _plain(lark.parse(text))
    except UnexpectedInput as error:
        accepts = getattr(error, "accepts", None)
        place = len(text) if getattr(getattr(error, "token", None), "type", "") == "$END" else error.pos_in_stream
        return place if accepts is None else (place, accepts)


def _plain(node: Any) -> object:
    if isinstance(node, Token):
        return str(node)
    assert isinstance(node, Tree)
    meta = node.meta
    place = (0, 0) if meta.empty else (meta.start_pos, meta.end_pos)
    return str(node.data), *place, [_plain(child) for child in node.children]


@pytest.fixture(scope="module")
def lark() -> Lark:
    return Lark(grammar_text(), start="file", parser="lalr", propagate_positions=True, maybe_placeholders=False)


def texts() -> dict[str, str]:
    """Programs of the repository by name: whole ones, fragments that are refused, and broken ones."""
    found = {}
    for path in sorted(ROOT.glob("s*/*.opt")) + sorted(ROOT.glob("tests/**/*.opt")):
        found[path.name] = path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("tests/semantics/*.md"))]:
        for number, match in enumerate(FENCE.finditer(path.read_text(encoding="utf-8"))):
            found[f"{path.stem}-{number}"] = match[1]
    return found


def test_the_same_tree_or_the_same_mistake(lark: Lark) -> None:
    every = texts()
    assert len(every) > 300
    for name, text in every.items():
        assert ours(text) == larks(lark, text), name


@pytest.mark.parametrize("sample", ["delack", "uto", "selftest"])
def test_a_program_that_ends_anywhere(lark: Lark, sample: str) -> None:
    text = (ROOT / "samples" / f"{sample}.opt").read_text(encoding="utf-8")
    for length in range(0, len(text), 7):
        part = text[:length].rstrip()
        assert ours(part) == larks(lark, part), part[-40:]


@pytest.mark.parametrize(
    "text",
    [
        "option x { kind 2::1 }",
        "const a = 10% in",
        "const a = 10 % x",
        "const a = 0x10 + 1.2.3.4/24",
        "option once { on once { once per connection { } } }",
        "option connection { state connection : u8 }",
        "option x { connection state connection : u8 }",
        "const a = fe80::1",
        "const a = 5packets",
        "option x { every : u8 }",
    ],
)
def test_tokens_that_more_than_one_terminal_matches(lark: Lark, text: str) -> None:
    assert ours(text) == larks(lark, text)


def test_a_word_is_not_cut_after_a_keyword(lark: Lark) -> None:
    """Here lark's contextual lexer would read `param x`; a user sees one word."""
    text = "option a { layout { } paramx : u8 = 1 }"
    assert isinstance(lark.parse(text), Tree)
    with pytest.raises(UnexpectedTokenError) as raised:
        run(tables(), text, Plain(text), 1000)
    assert text[raised.value.token.start : raised.value.token.end] == "paramx"
    assert "PARAM" in raised.value.expected


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    computed = tables.__wrapped__()
    (file,) = (tmp_path / "optdsl").iterdir()
    with monkeypatch.context() as context:
        context.setattr("optdsl.syntax.tables.compute_tables", None)
        assert tables.__wrapped__() == computed
    for damaged in (b"", file.read_bytes()[:1000], b"N", file.read_bytes().replace(b"layout", b"lay_ut")):
        file.write_bytes(damaged)
        assert tables.__wrapped__().rules
        assert file.read_bytes() != damaged


def test_no_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "optdsl").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tables.__wrapped__().rules
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    assert tables.__wrapped__().rules
