"""The text of generated C: golden files, and the forms of single statements and expressions.

`pytest --update-golden` writes the golden files anew; read the difference before committing it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from ir_build import Build, behind, find, in_buffer, in_global
from ir_samples import delayed_ack, torture

from optdsl.backends.c import emit_c
from optdsl.backends.c.writer import LINE_LENGTH
from optdsl.ir.ops import (
    AsNumber,
    Both,
    Break,
    Call,
    Case,
    Condition,
    DeclareBuffer,
    Either,
    IsNegative,
    LoadOption,
    Local,
    Not,
    Parameter,
    Repeat,
    ReserveOption,
    Select,
    SetSocketOption,
    Statement,
    Switch,
    Value,
)
from optdsl.ir.program import Program
from optdsl.ir.types import U8, U16, U32, U64, Array, ByteArray, GlobalVariable, Member, Section, Struct
from optdsl.record import replace
from optdsl.source import Source

_GOLDEN = Path(__file__).parent / "golden"
_SOURCE = Source("forms.opt", "forms\n")
_ROW = Struct(
    "row",
    (
        Member("flag", U8),
        Member("small", U8),
        Member("half", U16),
        Member("word", U32),
        Member("wire", ByteArray(80, aligned=True)),
        Member("slots", Array(U32, 6)),
        Member("wide", U64),
    ),
)
_PARAMS = Struct("params", (Member("a", U8), Member("b", U8), Member("text", ByteArray(16, text=True))))

AT = find(_SOURCE, "forms")
SMALL, HALF = AT.load(behind("row", "small")), AT.load(behind("row", "half"))
WORD, WIDE = AT.load(behind("row", "word")), AT.load(behind("row", "wide"))


def program(*body: Statement, at: Build = AT) -> Program:
    """A program whose function `f` has a body, and a pointer `row` and a number `n` as parameters."""
    function = at.function("f", *body, parameters=(Parameter("row", _ROW), Parameter("n")), inline=False)
    return Program(
        name="forms",
        sources=(_SOURCE,),
        globals=(GlobalVariable("params", _PARAMS, Section.PARAMETERS, (1, 2, b"cubic")),),
        maps=(),
        records=(),
        counters=Struct("counters", ()),
        functions=(function, at.function("forms", at.leave(1), returns=True, inline=False)),
        entry="forms",
    )


def body(*statements: Statement) -> str:
    """The lines of the body of a function, without the outermost indentation."""
    text = emit_c(program(*statements), lines=False)
    inner = text.partition(" f(")[2].partition("\n{\n")[2].partition("\n}\n")[0]
    return "\n".join(line.removeprefix("\t") for line in inner.splitlines())


def shown(value: Value) -> str:
    """A value as C."""
    return body(AT.store(behind("row", "wide"), value)).removeprefix("row->wide = ").removesuffix(";")


def in_if(condition: Condition) -> str:
    """A condition as C."""
    return body(AT.when(condition, AT.leave())).partition("\n")[0].removeprefix("if (").removesuffix(")")


@pytest.mark.parametrize(
    ("make", "lines", "name"),
    [
        (delayed_ack, False, "delack.bpf.c"),
        (delayed_ack, True, "delack_lines.bpf.c"),
        (torture, False, "torture.bpf.c"),
    ],
)
def test_golden(make: Callable[[], Program], lines: bool, name: str, request: pytest.FixtureRequest) -> None:
    file, text = _GOLDEN / name, emit_c(make(), lines=lines)
    if request.config.getoption("--update-golden", default=False):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("make", [delayed_ack, torture])
def test_lines_fit_and_have_no_trailing_space(make: Callable[[], Program]) -> None:
    lines = emit_c(make(), lines=False).split("\n")
    assert max(len(line.expandtabs(8)) for line in lines) <= LINE_LENGTH
    assert not [line for line in lines if line != line.rstrip()]
    assert not any(first == second == "" for first, second in pairwise(lines))


def test_it_is_deterministic_and_knows_no_folder() -> None:
    assert emit_c(delayed_ack()) == emit_c(delayed_ack())
    assert "somewhere" not in emit_c(delayed_ack())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (AT.binary("+", AT.binary("*", WIDE, 2), 1), "row->wide * 2 + 1"),
        (AT.binary("*", AT.binary("+", WIDE, 2), 3), "(row->wide + 2) * 3"),
        (AT.binary("-", WORD, AT.binary("-", WIDE, 1)), "row->word - (row->wide - 1)"),
        (AT.binary("|", AT.binary("<<", WIDE, 8), AT.binary("&", WIDE, 0xFF)), "(row->wide << 8) | (row->wide & 0xff)"),
        (AT.binary("<<", AT.binary("+", WIDE, 1), 4), "(row->wide + 1) << 4"),
        (AT.binary("*", SMALL, HALF), "row->small * row->half"),
        (AT.binary("*", WORD, SMALL), "(__u64)row->word * row->small"),
        (AT.binary("+", WORD, 1), "(__u64)row->word + 1"),
        (AT.binary("-", SMALL, 1), "(__u64)row->small - 1"),
        (AT.binary("-", 300, SMALL), "300 - row->small"),
        (AT.binary("<<", SMALL, 24), "(__u64)row->small << 24"),
        (AT.binary("<<", 1, AT.binary("&", WIDE, 63)), "1ULL << (row->wide & 0x3f)"),
        (AT.binary("/", SMALL, HALF), "(__u32)row->small / row->half"),
        (AT.binary("/", WORD, 1000), "row->word / 1000"),
        (AT.binary("%", WIDE, 5_000_000_000), "row->wide % 5000000000"),
        (AT.binary("min", AT.binary("max", WIDE, 1), 200), "clamp(row->wide, 1, 200)"),
        (AT.binary("max", AT.binary("min", WIDE, 200), 1), "clamp(row->wide, 1, 200)"),
        (AT.binary("max", AT.binary("min", WIDE, 1), 200), "max(min(row->wide, 1), 200)"),
        (AT.const(2**64 - 1), "0xffffffffffffffffULL"),
        (AT.const(1_000_000), "1000000"),
        (Select(AT.span, AT.compare(WORD, "<", 5), AT.const(1), WORD), "row->word < 5 ? 1 : row->word"),
        (AsNumber(AT.span, AT.compare(WORD, "==", 5)), "row->word == 5"),
        (AT.load_bytes(behind("row", "wire"), 4, 1), "row->wire[4]"),
        (AT.load_bytes(behind("row", "wire"), 4, 4), "load_be32(row->wire + 4)"),
        (AT.load_bytes(behind("row", "wire"), 2, 4), "load_be32_at2(row->wire + 2)"),
        (AT.load_bytes(behind("row", "wire"), 5, 3), "load_be(row->wire + 5, 3)"),
        (AT.load_bytes(behind("row", "wire"), AT.local("n"), 1), "row->wire[below(n, 64)]"),
        (AT.load_bytes(in_global("params", "text"), 1, 1), "(__u8)params.text[1]"),
        (AT.load(behind("row", "slots", AT.local("n"))), "row->slots[below(n, 6)]"),
        (AT.binary("&", AT.context("skb_tcp_flags"), 0x12), "ctx->skb_tcp_flags & (TCPHDR_SYN | TCPHDR_ACK)"),
    ],
)
def test_values(value: Value, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Not(AT.span, AT.compare(WORD, "<", 5)), "row->word >= 5"),
        (Not(AT.span, Not(AT.span, AT.compare(WORD, "<", 5))), "row->word < 5"),
        (AT.compare(SMALL, "<", 300), "(__u64)row->small < 300"),
        (AT.compare(AT.binary("&", WORD, 4), "!=", 0), "(row->word & 4) != 0"),
        (AT.compare(AT.binary("&", AT.context("skb_tcp_flags"), 2), "!=", 0), "ctx->skb_tcp_flags & TCPHDR_SYN"),
        (AT.compare(AT.context("family"), "==", 10), "ctx->family == AF_INET6"),
        (AT.compare(AsNumber(AT.span, AT.compare(WORD, "<", 5)), "==", 0), "row->word >= 5"),
        (IsNegative(AT.span, AT.local("n")), "(__s64)n < 0"),
        (
            Either(
                AT.span,
                Both(AT.span, AT.compare(WORD, "<", 5), AT.compare(SMALL, "==", 1)),
                Not(AT.span, Both(AT.span, AT.compare(WORD, ">", 7), AT.compare(SMALL, "==", 2))),
            ),
            "(row->word < 5 && row->small == 1) || !(row->word > 7 && row->small == 2)",
        ),
    ],
)
def test_conditions(condition: Condition, text: str) -> None:
    assert in_if(condition) == text


def test_flags_are_tested_as_such() -> None:
    flag = behind("row", "flag")
    text = body(
        AT.when(AT.compare(AT.load(flag), "==", 0), AT.store(flag, 1)),
        AT.when(AT.compare(AT.load(flag), "==", 1), AT.leave()),
    )
    assert text == "if (!row->flag)\n\trow->flag = 1;\nif (row->flag)\n\treturn;"


def test_else_if_chains_and_braces() -> None:
    arms = (AT.store(behind("row", "word"), 1), AT.store(behind("row", "word"), 2))
    inner = AT.when(AT.compare(WORD, "==", 2), *arms, otherwise=(AT.leave(),))
    assert body(AT.when(AT.compare(WORD, "==", 1), AT.leave(), otherwise=(inner,))) == (
        "if (row->word == 1) {\n\treturn;\n} else if (row->word == 2) {\n"
        "\trow->word = 1;\n\trow->word = 2;\n} else {\n\treturn;\n}"
    )


def test_changes_in_place() -> None:
    word = behind("row", "word")
    assert body(
        AT.store(word, AT.binary("+", WORD, 1)),
        AT.store(word, AT.binary("*", WORD, 3)),
        AT.store(word, AT.binary(">>", WORD, 3)),
        AT.store(word, 0x1_0000_0002),
        AT.assign("n", AT.binary("-", AT.local("n"), 1)),
        AT.store(word, AT.local("n")),
    ).splitlines() == [
        "row->word++;",
        "row->word *= 3;",
        "row->word = row->word >> 3;",
        "row->word = 2;",
        "n--;",
        "row->word = n;",
    ]


def test_results_of_helpers() -> None:
    """An error is a `long`; behind the test for it the length needs no cast."""
    length = AT.local("length")
    assert body(
        DeclareBuffer(AT.span, "wire", 8),
        LoadOption(AT.span, "length", in_buffer("wire"), 8, AT.const(1)),
        AT.when(AT.compare(length, "==", 2**64 - 42), AT.leave()),
        AT.when(Either(AT.span, IsNegative(AT.span, length), AT.compare(length, "<", 4)), AT.leave()),
        AT.when(AT.compare(length, ">", 6), AT.store(behind("row", "small"), length)),
    ).splitlines() == [
        "__u8 wire[8] __aligned(8) = {};",
        "long length = bpf_load_hdr_opt(ctx, wire, 8, BPF_LOAD_HDR_OPT_TCP_SYN);",
        "",
        "if (length == -ENOMSG)",
        "\treturn;",
        "if (length < 0 || length < 4)",
        "\treturn;",
        "if (length > 6)",
        "\trow->small = length;",
    ]


def test_a_result_that_may_be_an_error_is_compared_without_its_sign() -> None:
    length = AT.local("length")
    text = body(
        ReserveOption(AT.span, "length", AT.const(4)),
        AT.when(AT.compare(length, ">", 6), AT.leave()),
        AT.when(IsNegative(AT.span, length), AT.store(behind("row", "small"), 1)),
    )
    assert "if ((__u64)length > 6)" in text


def test_a_result_used_once_needs_no_name() -> None:
    options = SetSocketOption(AT.span, "set", 6, 1003, 4, AT.const(40_000))
    text = body(options, AT.when(Not(AT.span, IsNegative(AT.span, Local(AT.span, "set"))), AT.leave()))
    assert text == "if (setsockopt_u32(ctx, SOL_TCP, TCP_BPF_DELACK_MAX, 40000) >= 0)\n\treturn;"


def test_what_has_no_effect_is_left_out() -> None:
    assert body(
        AT.let("first", WORD),
        AT.let("second", AT.local("first")),
        AT.assign("second", AT.binary("+", AT.local("second"), 1)),
        DeclareBuffer(AT.span, "nothing", 8),
        AT.store(behind("row", "word"), 1),
        AT.leave(),
    ) == "row->word = 1;"  # fmt: skip


def test_break_inside_of_a_switch_leaves_the_loop() -> None:
    switch = Switch(AT.span, WORD, (Case(((1, ""),), (Break(AT.span),)), Case(((2, ""), (3, "")), ())))
    loop = Repeat(AT.span, "index", 4, (switch, AT.store(behind("row", "slots", AT.local("index")), 1)))
    assert body(loop) == (
        "for (__u64 index = 0; index < 4; index++) {\n"
        "\tswitch (row->word) {\n\tcase 1:\n\t\tgoto index_done;\n\tcase 2:\n\tcase 3:\n\t\tbreak;\n\t}\n"
        "\trow->slots[index] = 1;\n}\nindex_done:\n;"
    )


def test_a_case_with_declarations_is_a_block() -> None:
    declared = (AT.let("x", WORD), AT.store(behind("row", "word"), AT.binary("+", AT.local("x"), AT.local("x"))))
    text = body(Switch(AT.span, SMALL, (Case(((1, ""),), declared),)))
    assert "\ncase 1: {\n\t__u64 x = row->word;\n\n\trow->word = x + x;\n\tbreak;\n}\n}" in text


def test_only_functions_that_use_the_context_get_it() -> None:
    text = emit_c(delayed_ack(), lines=False)
    assert "delayed_ack_compose(struct socket *socket)" in text
    assert "on_length(struct bpf_sock_ops *ctx)" in text


def test_a_function_whose_result_may_be_an_error_returns_long() -> None:
    inner = AT.function("g", AT.leave(2**64 - 22), returns=True)
    outer = program(
        Call(AT.span, "g", (), "answer"),
        AT.when(IsNegative(AT.span, AT.local("answer")), AT.leave()),
    )
    text = emit_c(replace(outer, functions=(inner, *outer.functions)), lines=False)
    assert "static __always_inline long g(void)\n{\n\treturn -EINVAL;\n}" in text
    assert "if (g() < 0)" in text


def test_fields_are_read_plainly_where_nothing_can_be_merged() -> None:
    text = body(AT.when(AT.compare(AT.context("srtt_us"), ">", 8), AT.store(behind("row", "word"), 1)))
    assert text.startswith("if (ctx->srtt_us > 8)")


def test_paths_that_select_nothing_are_refused() -> None:
    with pytest.raises((ValueError, KeyError)):
        emit_c(program(AT.store(behind("row", "word", "none"), 1)))
