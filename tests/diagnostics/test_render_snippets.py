"""Diagnostics as exact text: spans on one line and on several, labels, notes, suggestions, odd characters, windows."""

from __future__ import annotations

import re

import pytest

from optdsl.diagnostics import Diagnostic, Label, Severity, Suggestion
from optdsl.diagnostics.render import Style, headline, remark, render, render_all, summary
from optdsl.source import Source, Span

TEXT = """\
option delayed_ack {
    kind experimental 0x4441

    layout {
        rtt_divisor : u8 in 1..=255
        segments    : u8 in 1..=64
    }

    receive {
        socket.delack_max = socket.min_rtt + socket.mss
    }
}
"""
SOURCE = Source("delack.opt", TEXT)


def at(text: str, end: str = "", source: Source = SOURCE) -> Span:
    """The span of a text, or from one text to the end of another."""
    start = source.text.index(text)
    stop = source.text.index(end, start) + len(end) if end else start + len(text)
    return Span(source, start, stop)


def check(diagnostic: Diagnostic, expected: str, width: int = 120) -> None:
    """Compares with a text that begins on a line of its own."""
    found = render(diagnostic, Style(width))
    assert found == expected.removeprefix("\n")
    assert not re.search(r" $", found, re.MULTILINE)


def test_a_span_with_a_label() -> None:
    check(
        Diagnostic("OPT0203", "value may not fit", at("1..=64"), "the field holds 0..=63"),
        """
error[OPT0203]: value may not fit
 --> delack.opt:6:29
  |
6 |         segments    : u8 in 1..=64
  |                             ^^^^^^ the field holds 0..=63
""",
    )


def test_labels_on_one_line() -> None:
    check(
        Diagnostic(
            "OPT0401", "`+` mixes units", at("socket.min_rtt + socket.mss"),
            labels=(Label(at("socket.min_rtt"), "a duration"), Label(at("socket.mss"), "a segment size")),
        ),
        """
error[OPT0401]: `+` mixes units
  --> delack.opt:10:29
   |
10 |         socket.delack_max = socket.min_rtt + socket.mss
   |                             --------------^^^---------- a segment size
   |                             |
   |                             a duration
""",
    )  # fmt: skip


def test_labels_that_share_a_row_and_labels_that_do_not() -> None:
    source = Source("x.opt", "a = one + two + three + four")
    labels = tuple(Label(at(text, source=source), f"this is {text}") for text in ("one", "two", "three"))
    check(
        Diagnostic("OPT0401", "mixed", at("four", source=source), "and four", labels),
        """
error[OPT0401]: mixed
 --> x.opt:1:25
  |
1 | a = one + two + three + four
  |     ---   ---   -----   ^^^^ and four
  |     |     |     |
  |     |     |     this is three
  |     |     this is two
  |     this is one
""",
    )
    far = Label(at("a", source=source), "a")
    check(
        Diagnostic("OPT0401", "mixed", at("four", source=source), "four", (far, labels[2])),
        """
error[OPT0401]: mixed
 --> x.opt:1:25
  |
1 | a = one + two + three + four
  | -               -----   ^^^^ four
  | |               |
  | a               this is three
""",
    )


def test_a_span_of_several_lines() -> None:
    check(
        Diagnostic("OPT0501", "the layout is not a whole number of bytes", at("layout {", "}"), "14 bits"),
        """
error[OPT0501]: the layout is not a whole number of bytes
 --> delack.opt:4:5
  |
4 | /     layout {
... |
7 | |     }
  | |_____^ 14 bits
""",
    )


def test_a_span_that_begins_behind_something_and_a_label_inside() -> None:
    check(
        Diagnostic("OPT0510", "no value", at("{\n        rtt", "}"), "here", (Label(at("segments"), "this one"),)),
        """
error[OPT0510]: no value
 --> delack.opt:4:12
  |
4 |       layout {
  |  ____________^
5 | |         rtt_divisor : u8 in 1..=255
6 | |         segments    : u8 in 1..=64
  | |         -------- this one
7 | |     }
  | |_____^ here
""",
    )


def test_nested_spans_of_several_lines() -> None:
    check(
        Diagnostic("OPT0102", "nested", at("layout {", "}"), "inner", (Label(at("option", "}\n}"), "outer"),)),
        """
error[OPT0102]: nested
  --> delack.opt:4:5
   |
 1 | /  option delayed_ack {
...  |
 4 | |/     layout {
...  ||
 7 | ||     }
   | ||_____^ inner
...  |
12 | |  }
   | |__- outer
""",
    )


def test_lines_far_apart_and_numbers_of_different_width() -> None:
    check(
        Diagnostic("OPT0302", "twice", at("socket.mss"), "again", (Label(at("kind"), "first"),)),
        """
error[OPT0302]: twice
  --> delack.opt:10:46
   |
 2 |     kind experimental 0x4441
   |     ---- first
...
10 |         socket.delack_max = socket.min_rtt + socket.mss
   |                                              ^^^^^^^^^^ again
""",
    )


def test_a_single_line_between_is_shown() -> None:
    check(
        Diagnostic("OPT0302", "twice", at("layout"), "", (Label(at("kind"), "first"),)),
        """
error[OPT0302]: twice
 --> delack.opt:4:5
  |
2 |     kind experimental 0x4441
  |     ---- first
3 |
4 |     layout {
  |     ^^^^^^
""",
    )


def test_a_label_in_another_source() -> None:
    other = Source("std.units", "const x = 1\n")
    check(
        Diagnostic("OPT0302", "twice", at("kind"), "here", (Label(at("x", source=other), "and there"),)),
        """
error[OPT0302]: twice
 --> delack.opt:2:5
  |
2 |     kind experimental 0x4441
  |     ^^^^ here
  |
 ::: std.units:1:7
  |
1 | const x = 1
  |       - and there
""",
    )


def test_notes_and_advice() -> None:
    check(
        Diagnostic("OPT0504", "no room on data packets", at("kind"), "36 bytes here", severity=Severity.WARNING, notes=(
            "the kernel's own options, timestamps among them, take 12 of 40 bytes",),
            suggestion=Suggestion("leave a field out"),
        ),
        """
warning[OPT0504]: no room on data packets
 --> delack.opt:2:5
  |
2 |     kind experimental 0x4441
  |     ^^^^ 36 bytes here
  |
  = note: the kernel's own options, timestamps among them,
          take 12 of 40 bytes
  = help: leave a field out
""",
        width=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("replacement", "line", "marks"),
    [
        ("clamp(1..=64, 1, 2)", "        segments    : u8 in clamp(1..=64, 1, 2)", "++++++      +++++++"),
        ("1..=63", "        segments    : u8 in 1..=63", "~~~~~~"),
        ("", "        segments    : u8 in", ""),
    ],
)
def test_a_suggestion_shows_the_line_as_it_would_read(replacement: str, line: str, marks: str) -> None:
    span = at("1..=64")
    text = render(Diagnostic("OPT0203", "value may not fit", span, suggestion=Suggestion("do this", span, replacement)))
    shown = text[text.index("help") :].splitlines()
    assert shown[:3] == ["help: do this", "  |", f"6 | {line}"]
    assert [row.removeprefix("  |").strip() for row in shown[3:]] == ([marks] if marks else [])
    assert all(row.index(marks[0]) == shown[2].index(replacement) for row in shown[3:])


def test_a_suggestion_of_several_lines() -> None:
    span = at("kind experimental 0x4441")
    suggestion = Suggestion("add a layout", span, f"{span.text}\n    layout {{}}")
    check(
        Diagnostic("OPT0313", "option `x` has no `layout`", span, suggestion=suggestion),
        """
error[OPT0313]: option `x` has no `layout`
 --> delack.opt:2:5
  |
2 |     kind experimental 0x4441
  |     ^^^^^^^^^^^^^^^^^^^^^^^^
  |
help: add a layout
  |
2 |     kind experimental 0x4441
3 |     layout {}
  | +++++++++++++
""",
    )


def test_tabs_and_wide_characters_keep_marks_in_place() -> None:
    source = Source("語.opt", "\tlet 語 = 日本\t+ x\n")
    check(
        Diagnostic("OPT0103", "odd", at("日本", source=source), "here", (Label(at("x", source=source), "x"),)),
        """
error[OPT0103]: odd
 --> 語.opt:1:10
  |
1 |     let 語 = 日本   + x
  |              ^^^^     - x
  |              |
  |              here
""",
    )


def test_control_characters_are_shown_not_sent() -> None:
    source = Source("a\nb.opt", "let \x1b[2J = 1\r\n")
    text = render(Diagnostic("OPT0103", "no token starts with \x1b", at("\x1b", source=source)))
    assert "\x1b" not in text
    assert "\r" not in text
    assert " --> a b.opt:1:5\n" in text
    assert "1 | let ␛[2J = 1\n  |     ^\n" in text


@pytest.mark.parametrize(
    ("text", "start", "end", "place", "line", "mark"),
    [
        ("", 0, 0, "1:1", "1 |", "  | ^"),
        ("abc", 3, 3, "1:4", "1 | abc", "  |    ^"),
        ("abc\n", 4, 4, "2:1", "2 |", "  | ^"),
        ("abc\r\ndef", 2, 5, "1:3", "1 | abc", "  |   ^"),  # a line break at the end of a span is not shown
        ("abc", 1, 99, "1:2", "1 | abc", "  |  ^^"),
    ],
)
def test_spans_at_the_edges(text: str, start: int, end: int, place: str, line: str, mark: str) -> None:
    source = Source("x.opt", text)
    shown = render(Diagnostic("OPT0102", "edge", Span(source, start, end))).splitlines()
    assert shown == ["error[OPT0102]: edge", f" --> x.opt:{place}", "  |", line, mark]


def test_without_a_span() -> None:
    check(
        Diagnostic("OPT0111", "x.opt is not a text file", None, notes=("byte 7 is not UTF-8",)),
        """
error[OPT0111]: x.opt is not a text file
  = note: byte 7 is not UTF-8
""",
    )


def _columns_of_mark(text: str) -> tuple[str, str]:
    source, marks = text.splitlines()[3:5]
    return source, "".join(shown for shown, mark in zip(source, marks, strict=False) if mark == "^")


@pytest.mark.parametrize("place", [0, 30, 150, 290, 299])
def test_long_lines_are_cut_to_the_width_around_the_mark(place: int) -> None:
    digits = "".join(chr(ord("a") + number % 26) for number in range(300))
    source = Source("x.opt", digits)
    end = min(place + 5, 300)
    text = render(Diagnostic("OPT0101", "long", Span(source, place, end)), Style(60))
    shown, marked = _columns_of_mark(text)
    assert marked == digits[place:end]
    assert all(len(line) <= 60 for line in text.splitlines())
    assert shown.startswith("1 | ...") == (place > 50)
    assert shown.endswith("...") == (place < 250)


def test_a_mark_longer_than_the_terminal_is_cut() -> None:
    source = Source("x.opt", "x" * 500)
    text = render(Diagnostic("OPT0101", "long", Span(source, 0, 500), "all of it"), Style(50))
    assert text.splitlines()[3] == "1 | " + "x" * 43 + "..."
    assert text.splitlines()[4:] == ["  | " + "^" * 43, "  | |", "  | all of it"]


def test_a_cut_through_a_wide_character_keeps_the_width() -> None:
    source = Source("x.opt", "語" * 200)
    for place in range(60, 64):
        text = render(Diagnostic("OPT0101", "long", Span(source, place, place + 1)), Style(50))
        shown, marks = text.splitlines()[3:5]
        assert len(shown) + shown.count("語") <= 50
        assert marks.count("^") == 2


def test_a_label_without_room_beside_its_mark_hangs_below() -> None:
    source = Source("x.opt", "a" * 20 + " " + "b" * 20)
    text = render(Diagnostic("OPT0101", "long", Span(source, 21, 41), "twenty-one characters"), Style(50))
    assert text.splitlines()[4:] == [
        "  | " + " " * 21 + "^" * 20,
        "  | " + " " * 21 + "|",
        "  | " + " " * 21 + "twenty-one characters",
    ]


def test_colours_only_where_wanted_and_never_in_the_text_itself() -> None:
    span = at("1..=64")
    diagnostic = Diagnostic("OPT0203", "value may not fit", span, "here", suggestion=Suggestion("so", span, "1"))
    colored = render(diagnostic, Style(color=True))
    assert colored.startswith("\x1b[1;31merror[OPT0203]\x1b[0m")
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render(diagnostic)
    assert "\x1b" not in render(diagnostic)


def test_the_summary_counts() -> None:
    error = Diagnostic("OPT0101", "a", None)
    warning = Diagnostic("OPT0802", "b", None, severity=Severity.WARNING)
    assert [summary(each) for each in ([error], [error, error], [warning], [error, warning, warning], [])] == [
        "1 error", "2 errors", "1 warning", "1 error, 2 warnings", "",
    ]  # fmt: skip
    assert render_all([]) == ""
    assert render_all([warning]) == "warning[OPT0802]: b\n\n1 warning\n"
    assert render_all([error, warning]) == (
        "error[OPT0101]: a\n\nwarning[OPT0802]: b\n\n1 error, 1 warning\nexplain: optdsl explain OPT0101\n"
    )


def test_behind_errors_stands_where_to_read_about_the_first_of_them() -> None:
    codes = ["", "OPT0203", "OPT0401", "OPT0203", "OPT0101", "OPT0301"]
    errors = [Diagnostic(code, "a", None) for code in codes]
    warning = Diagnostic("OPT0802", "b", None, severity=Severity.WARNING)
    last = render_all([warning, *errors]).splitlines()[-2:]
    assert last == ["6 errors, 1 warning", "explain: optdsl explain OPT0203 OPT0401 OPT0101"]
    assert render_all([Diagnostic("", "a", None)]).endswith("\n1 error\n")
    colored = render_all(errors, Style(color=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render_all(errors)


def test_errors_without_a_source() -> None:
    assert headline(Severity.ERROR, "cannot read x.opt") == "error: cannot read x.opt"
    assert remark("help", "try again") == "  = help: try again"
