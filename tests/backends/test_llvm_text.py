"""The LLVM IR text, and what the back end refuses to write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from ir_build import behind, find, in_buffer, in_global
from ir_samples import delayed_ack, results, torture

from optdsl.backends.llvm import BackendError, emit_llvm
from optdsl.backends.llvm.debuginfo import DebugInfo, Subprogram, file_names
from optdsl.backends.llvm.metadata import Metadata, quote
from optdsl.ir.ops import DeclareBuffer, Parameter, Repeat, Statement
from optdsl.ir.program import Program
from optdsl.ir.types import U32, Array, ByteArray, GlobalVariable, Section, Struct
from optdsl.record import replace
from optdsl.source import Source, Span

SOURCE = Source("/home/someone/small.opt", "option small\n    body\n")
AT = find(SOURCE, "body")


def small(*body: Statement) -> Program:
    """A program of one function."""
    entry = AT.function("small", *body, AT.leave(1), returns=True)
    table = GlobalVariable("table", Array(U32, 4), Section.PARAMETERS, (1, 2, 3, 4))
    return Program("small", (SOURCE,), (table,), (), (), Struct("counters", ()), (entry,), "small")


def test_importing_the_package_does_not_import_llvm() -> None:
    command = "import sys, optdsl.backends.llvm; sys.exit('llvmlite' in sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)


def test_the_text_needs_no_llvm() -> None:
    command = (
        "import sys; from ir_samples import torture; from optdsl.backends.llvm import emit_llvm;"
        "emit_llvm(torture()); sys.exit('llvmlite' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", command], check=True, env=environment)


@pytest.mark.parametrize("program", [delayed_ack, torture, results])
def test_equal_programs_give_equal_texts(program: Callable[[], Program]) -> None:
    assert emit_llvm(program()) == emit_llvm(program())


def test_names_are_base_names() -> None:
    text = emit_llvm(small())
    assert 'source_filename = "small.opt"' in text
    assert '!DIFile(filename: "small.opt", directory: "", source: "option small\\0A    body\\0A")' in text
    assert "someone" not in text


def test_parameters_are_read_afresh_and_constants_are_not() -> None:
    text = emit_llvm(torture())
    assert "load volatile i64, ptr @ceiling" in text
    # `primes` are the only 32-bit numbers in a data section.
    assert "load i32" in text
    assert "volatile i32" not in text


def test_inlining_is_as_asked() -> None:
    text = emit_llvm(delayed_ack())
    assert "@delayed_ack_compose(ptr %ctx, ptr %arg.socket) #0 alwaysinline" in text
    assert "@delayed_ack_receive(ptr %ctx, ptr %arg.socket, i64 %arg.from_syn) #0 noinline" in text


def test_the_counting_function_gives_way_to_one_of_the_program() -> None:
    text = emit_llvm(torture())
    assert "define i32 @count_(i64 %index)" in text
    assert "define internal void @count(ptr %ctx, ptr %arg.hits" in text


def test_a_variable_offset_into_the_stack_is_refused() -> None:
    body = Repeat(AT.span, "index", 4, (AT.let("byte", AT.load_bytes(in_buffer("bytes"), AT.local("index"), 1)),))
    with pytest.raises(BackendError, match="variable offset into a stack buffer") as caught:
        emit_llvm(small(DeclareBuffer(AT.span, "bytes", 8), body))
    assert (caught.value.stage, caught.value.file, caught.value.line) == ("emit", "small.opt", 2)


@pytest.mark.parametrize("field", ["no_such_field", "args[4]", "remote_ip6[9]"])
def test_an_unknown_context_field_is_refused(field: str) -> None:
    with pytest.raises(BackendError, match="struct bpf_sock_ops has no field"):
        emit_llvm(small(AT.let("value", AT.context(field))))


def test_a_path_that_selects_nothing_is_refused() -> None:
    with pytest.raises(BackendError, match="does not select anything"):
        emit_llvm(small(AT.let("value", AT.load(in_global("table", "member")))))
    with pytest.raises(BackendError, match="no scalar"):
        emit_llvm(small(AT.let("value", AT.load(in_global("table")))))


def test_metadata_has_one_node_for_equal_texts() -> None:
    metadata = Metadata()
    first = metadata.add("!{i32 1}")
    assert metadata.add("!{i32 1}") == first
    distinct = metadata.reserve()
    metadata.fill(distinct, f"!{{{distinct}}}")
    assert metadata.lines() == ["!0 = !{i32 1}", "!1 = distinct !{!1}"]


def test_strings_are_quoted_as_bytes() -> None:
    assert quote('a"b\\c\n\u00e9') == '"a\\22b\\5Cc\\0A\\C3\\A9"'
    assert quote(b"\x00~") == '"\\00~"'


def test_sources_of_one_name_are_told_apart() -> None:
    sources = [Source("a/x.opt", ""), Source("b/x.opt", ""), Source("std.x", "")]
    assert file_names(sources) == ["x.opt", "x.opt#2", "std.x"]


def test_columns_beyond_what_btf_holds_are_dropped() -> None:
    source = Source("long.opt", " " * 3000 + "x")
    debug = DebugInfo(Metadata(), [source])
    scope = Subprogram(debug.unit, source)
    debug.location(Span(source, 1022, 1023), scope)
    debug.location(Span(source, 3000, 3001), scope)
    locations = [line for line in debug.metadata.lines() if "DILocation" in line]
    assert "column: 1023" in locations[0]
    assert "line: 1, column: 0," in locations[1]


@pytest.mark.parametrize(
    ("aligned", "offset", "size", "loads"),
    [
        (True, 0, 4, ["i32"]),
        (True, 8, 8, ["i64"]),
        (True, 2, 4, ["i16", "i16"]),
        (True, 1, 7, ["i8", "i16", "i32"]),
        (True, 0, 5, ["i32", "i8"]),
        (True, 4, 3, ["i16", "i8"]),
        (False, 0, 3, ["i8", "i8", "i8"]),
    ],
)
def test_loads_of_bytes_are_as_wide_as_the_alignment_allows(
    aligned: bool, offset: int, size: int, loads: list[str]
) -> None:
    function = AT.function(
        "look",
        AT.leave(AT.load_bytes(behind("bytes"), offset, size)),
        parameters=(Parameter("bytes", ByteArray(16, aligned=aligned)),),
        returns=True,
    )
    program = small()
    text = emit_llvm(replace(program, functions=(function, *program.functions)))
    body = text[text.index("define internal i64 @look") : text.index("define i32 @small")]
    assert re.findall(r"load (i\d+), ptr %(?:arg|t)", body) == loads
