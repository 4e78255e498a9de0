"""Whatever the text: it is analysed, or refused with diagnostics that point into it. Nothing else ever comes out."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from optdsl import resources
from optdsl.compiler import Options, analyse
from optdsl.diagnostics import CompileError, Diagnostic, Diagnostics
from optdsl.diagnostics.formats import Format, rendered
from optdsl.diagnostics.render import Style
from optdsl.source import Source

SAMPLES = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[2].glob("samples/*.opt"))]
_TOKEN = re.compile(r'\s+|///?[^\n]*|"[^"\n]*"|[0-9][\w.:%/]*|\w+|\.\.=|->|[<>=!+-]=|<<|>>|.', re.DOTALL)
PIECES = [_TOKEN.findall(text) for text in SAMPLES]
WORDS = sorted({piece for pieces in PIECES for piece in pieces if not piece.isspace() and not piece.startswith("//")})
ODD = [
    "\0", "\x1b", "\ufeff", "\u202e", "語", "e\u0301", "\U0001f600", "\r", "\t", "\x85", "\u2028", "½", "²", "١",
    '"', "'", "\\", "///", "//", "/*", "*/", "0x", "0b", "0b2", "1e9", "99999999999999999999", "5 ms", "5ms", "1.5.2.3",
    "300.1.1.1", "1.2.3.4/33", "::1/129", "fe80::1%eth0", "1::2::3", "1:2", "u0", "u65", "u64", "bytes[0]", "text[1]",
    "..", "...", "..=", "<=>", "~~", "mptcp", "path_manager", "connection state", "once per connection", "-> u8",
    "- 1", "1..=0", "in 5..=1", "* 0", "/ 0", "% 0", "<< 64", "kind 253", "_", "__", "u8[0..=0]", "{ }", "( )", "[ ]",
]  # fmt: skip

# `OPTDSL_FUZZ=20000` looks longer.
EXAMPLES = int(os.environ.get("OPTDSL_FUZZ", "0"))
SETTINGS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


def load(name: str) -> Source | None:
    text = resources.module_text(name.removeprefix("std.")) if name.startswith("std.") else None
    return None if text is None else Source(name, text)


def check(text: str) -> None:
    """Analyses a text and judges what was told."""
    source = Source("x.opt", text)
    diagnostics = Diagnostics()
    refused = False
    try:
        analyse([source], Options(), load, diagnostics)
    except CompileError as error:
        refused = True
        diagnostics.extend(error.diagnostics)
    found = diagnostics.found
    assert refused == any(each.is_error for each in found), "refused if and only if an error was told"
    for each in found:
        _check_places(each)
    for form in Format:
        assert rendered(found, form, Style()) or not found


def _check_places(each: Diagnostic) -> None:
    assert each.span is not None
    suggested = each.suggestion.span if each.suggestion else None
    for span in (each.span, suggested, *(label.span for label in each.labels)):
        if span is not None:
            assert 0 <= span.start <= span.end <= len(span.source.text)


@given(st.lists(st.sampled_from(WORDS + ODD), max_size=60))
@settings(max_examples=EXAMPLES or 150, **SETTINGS)  # type: ignore[arg-type]
def test_soups_of_tokens(words: list[str]) -> None:
    check(" ".join(words))


@given(
    st.lists(st.sampled_from(WORDS + ODD), max_size=25), st.sampled_from(["receive", "send on ack", "layout", "fn f()"])
)
@settings(max_examples=EXAMPLES or 150, **SETTINGS)  # type: ignore[arg-type]
def test_soups_in_an_option(words: list[str], where: str) -> None:
    head = "option x { kind 200 layout { a : u8 b : u16[1..=2] } param p : u8 = 1 state s : duration = 0s"
    check(f"{head} {where} {{ {' '.join(words)} }} }}")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
@settings(max_examples=EXAMPLES or 100, **SETTINGS)  # type: ignore[arg-type]
@example("")
@example("option")
@example("option x {\n///")
@example('"')
def test_any_text(text: str) -> None:
    check(text)


@given(data=st.data())
@settings(max_examples=EXAMPLES or 120, **SETTINGS)  # type: ignore[arg-type]
def test_samples_with_tokens_changed(data: st.DataObject) -> None:
    pieces = list(data.draw(st.sampled_from(PIECES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at, other = (data.draw(st.integers(0, len(pieces) - 1)) for _ in range(2))
        match data.draw(st.sampled_from(["delete", "duplicate", "swap", "replace", "insert", "cut", "repeat"])):
            case "delete":
                pieces[at] = ""
            case "duplicate":
                pieces[at] *= 2
            case "swap":
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "replace":
                pieces[at] = data.draw(st.sampled_from(WORDS + ODD))
            case "insert":
                pieces.insert(at, f" {data.draw(st.sampled_from(WORDS + ODD))} ")
            case "cut":
                pieces = pieces[: max(at, 1)]
            case "repeat":
                first, last = sorted((at, min(other, at + 40)))
                pieces[last:last] = pieces[first:last]
    check("".join(pieces))


@given(data=st.data())
@settings(max_examples=EXAMPLES or 80, **SETTINGS)  # type: ignore[arg-type]
def test_samples_with_characters_put_in(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(ODD) | st.characters()) + text[at + data.draw(st.integers(0, 2)) :]
    check(text)
