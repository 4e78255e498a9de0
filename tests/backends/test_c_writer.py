"""Lines of C: wrapping, comments, string literals, `#line`."""

from __future__ import annotations

from optdsl.backends.c.writer import LINE_LENGTH, Writer, comment, quoted, wrap
from optdsl.source import Source, Span

_SOURCE = Source("folder/some.opt", "one\ntwo\nthree\nfour\n")
_OTHER = Source("std.x", "module\n")


def at(line: int, source: Source = _SOURCE) -> Span:
    start = source.text.index(source.line_text(line))
    return Span(source, start, start + 1)


def test_short_lines_stay() -> None:
    assert wrap("return 0;", 2) == ["\t\treturn 0;"]


def test_arguments_are_aligned_to_the_parenthesis() -> None:
    text = "long length = bpf_load_hdr_opt(ctx, socket->delayed_ack.wire, 40, from_syn ? BPF_LOAD_HDR_OPT_TCP_SYN : 0);"
    assert wrap(text, 1) == [
        "\tlong length = bpf_load_hdr_opt(ctx, socket->delayed_ack.wire, 40,",
        "\t\t\t\t       from_syn ? BPF_LOAD_HDR_OPT_TCP_SYN : 0);",
    ]


def test_outer_operators_are_broken_before_inner_ones() -> None:
    text = (
        "if (first_condition(socket->first, socket->second) && second_condition(socket->third, socket->the_fourth)) {"
    )
    assert wrap(text, 1) == [
        "\tif (first_condition(socket->first, socket->second) &&",
        "\t    second_condition(socket->third, socket->the_fourth)) {",
    ]


def test_long_texts_take_several_lines() -> None:
    lines = wrap("total = " + " + ".join(f"socket->counter_number_{number}" for number in range(12)) + ";", 3)
    assert len(lines) == 6
    assert all(len(line.expandtabs(8)) <= LINE_LENGTH for line in lines)
    assert all(line.endswith("+") for line in lines[:-1])


def test_what_cannot_be_broken_stays_long() -> None:
    text = "x" * 120
    assert wrap(text, 0) == [text]


def test_comments() -> None:
    assert comment("") == []
    assert comment("Short.") == ["/* Short. */"]
    assert comment("Two\nlines.") == ["/*", " * Two", " * lines.", " */"]
    assert comment("word " * 30)[1:-1] == [" * " + " ".join(["word"] * 19), " * " + " ".join(["word"] * 11)]
    assert comment("a */ b /* c") == ["/* a * / b / * c */"]


def test_string_literals() -> None:
    assert quoted('a "b" \\ \n1é') == '"a \\"b\\" \\\\ \\0121\\303\\251"'


def test_directives_only_where_the_compiler_would_be_wrong() -> None:
    writer = Writer(lines=True)
    writer.plain("int x;")
    writer.enter(at(1))
    writer.code("first;", at(1))
    writer.code("second;", at(2))
    writer.code("again;", at(2))
    writer.plain("}")
    writer.code("fourth;", at(4))
    assert writer.text() == ('int x;\n#line 1 "some.opt"\nfirst;\nsecond;\n#line 2 "some.opt"\nagain;\n}\nfourth;\n')


def test_other_sources_count_as_the_line_before() -> None:
    writer = Writer(lines=True)
    writer.enter(at(3))
    writer.code("first;", at(3))
    writer.code("module;", at(1, _OTHER))
    writer.code("second;", at(4))
    assert writer.text() == '#line 3 "some.opt"\nfirst;\n#line 3 "some.opt"\nmodule;\nsecond;\n'


def test_without_directives_there_are_empty_lines_instead() -> None:
    writer = Writer(lines=False)
    writer.enter(at(1))
    with writer.indented():
        writer.code("first;", at(1))
        writer.gap()
        writer.code("fourth;", at(4))
    assert writer.text() == "\tfirst;\n\n\tfourth;\n"
