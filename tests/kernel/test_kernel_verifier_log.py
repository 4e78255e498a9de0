"""Logs of the verifier as diagnostics: each log in verifier_logs/ has the text that it becomes in a file beside it.

Logs of 6.18 are recorded. Those of older and newer kernels are written after the kernel's source and say so.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optdsl.diagnostics import Diagnostic
from optdsl.diagnostics.render import render
from optdsl.elf.model import Function, ObjectFile, Relocation, SourceLine
from optdsl.kernel.rejection import diagnose
from optdsl.kernel.verifier_log import LogPlace, Statistics, logs_in, parse_log
from optdsl.kernel.verifier_place import line_at, linked
from optdsl.kernel.verifier_reasons import Kind, explain
from optdsl.kernel.verifier_registers import in_words
from optdsl.source import Source

LOGS = sorted((Path(__file__).parent / "verifier_logs").glob("*.txt"))
EMPTY = ObjectFile("", (), (), (), (), ())
CALL_LOCAL = bytes([0x85, 0x10, 0, 0, 0, 0, 0, 0])
EXIT = bytes([0x95, 0, 0, 0, 0, 0, 0, 0])


def text_of(log: Path) -> str:
    """A recorded log without the remarks at its top."""
    return "".join(line for line in log.read_text().splitlines(keepends=True) if not line.startswith("# "))


def function(name: str, section: str, slot: int, code: bytes, *lines: SourceLine, calls: str = "") -> Function:
    relocations = (Relocation(0, "R_BPF_64_32", "called", calls),) if calls else ()
    return Function(name, section, slot, code, "", section != ".text", relocations, lines)


def obj(*functions: Function) -> ObjectFile:
    programs = tuple(each for each in functions if each.section != ".text")
    return ObjectFile("GPL", (), programs, tuple(each for each in functions if each.section == ".text"), (), ())


def written(name: str, *lines: tuple[int, int, str]) -> ObjectFile:
    """An object with one program, whose instructions stem from these (line, column, text), one each."""
    found = (SourceLine(slot, name, line, column, text) for slot, (line, column, text) in enumerate(lines))
    return obj(function("program", "sockops", 0, EXIT * len(lines), *found))


def told(diagnostic: Diagnostic) -> str:
    assert diagnostic.suggestion is not None
    return diagnostic.suggestion.text


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_log_becomes_this_diagnostic(log: Path, request: pytest.FixtureRequest) -> None:
    text = render(diagnose(parse_log(text_of(log)), "program", EMPTY))
    golden = log.with_suffix(".diagnostic")
    if request.config.getoption("--update-golden"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_there_are_logs_of_all_formats() -> None:
    assert {log.name.partition("_")[0] for log in LOGS} >= {"5.10", "6.1", "6.18", "7.3"}
    assert sum("Recorded on Linux" in log.read_text() for log in LOGS) >= 15


def test_everything_that_a_log_tells() -> None:
    log = parse_log(text_of(Path(__file__).parent / "verifier_logs/6.18_map_value.txt"))
    assert log.reason.startswith("invalid access to map value, value_size=32 off=160 size=8; R0 min value is outside")
    assert (log.index, log.instruction) == (10, "*(u64 *)(r0 +160) = r1")
    assert log.place == LogPlace("value[20] = ctx->op; /* OPT0901 */", "map_value.bpf.c", 9)
    assert log.registers["R0"] == "map_value(map=table,ks=4,vs=32)"
    assert log.registers["R6"] == "ctx()"
    assert "R2" not in log.registers, "a call leaves nothing in R1 to R5"
    assert log.statistics == Statistics(10, 1000000, 0, 0)


def test_everything_that_a_report_of_linux_7_3_tells() -> None:
    log = parse_log(text_of(Path(__file__).parent / "verifier_logs/7.3_null_check.txt"))
    assert log.reason == "R0 invalid mem access 'map_value_or_null'"
    assert log.category == "Register Type Safety"
    assert log.annotation == "invalid dereference of R0 (a nullable map value pointer)"
    assert log.explanation.endswith("on this path, so the verifier cannot prove this access is safe.")
    assert log.suggestion.startswith("Add a NULL check")
    assert (log.index, log.instruction) == (7, "r1 = *(u64 *)(r0 +0)")
    assert log.place == LogPlace("*value += 1; /* OPT0901 */", "null_check.bpf.c", 7, 9)


def test_a_report_alone_is_enough() -> None:
    text = text_of(Path(__file__).parent / "verifier_logs/7.3_null_check.txt")
    log = parse_log(text[text.index("Verification failed") :])
    assert log.reason == "Invalid dereference"
    assert log.index == 7
    assert log.place is not None
    assert log.place.line == 7


def test_a_rejection_on_one_line() -> None:
    log = parse_log("0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000)\n")
    assert log.summary == "R0 !read_ok (instruction 0: exit; log of 4 lines)"
    assert parse_log("unreachable insn 2\n").summary == "unreachable insn 2 (log of 1 line)"
    assert parse_log("processed 1 insns\n").summary == ""


def test_the_figures_of_a_success() -> None:
    log = parse_log("verification time 1583 usec\nstack depth 0+8+16\nprocessed 1381 insns (limit 1000000) "
                    "max_states_per_insn 4 total_states 130 peak_states 127 mark_read 0\n")  # fmt: skip
    assert log.reason == ""
    assert log.statistics == Statistics(1381, 1000000, 130, 127, time=1583, stack=(0, 8, 16))
    assert parse_log("") == parse_log("\0")


def test_libbpf_frames_the_logs_of_several_programs() -> None:
    text = """\
libbpf: loading object 'x'
libbpf: prog 'one': -- BEGIN PROG LOAD LOG --
processed 2 insns
-- END PROG LOAD LOG --
libbpf: prog 'two': BPF program load failed: Permission denied
libbpf: prog 'two': -- BEGIN PROG LOAD LOG --
0: (95) exit
R0 !read_ok
"""
    assert [name for name, _ in logs_in(text)] == ["one", "two"]
    assert parse_log(logs_in(text)[1][1]).reason == "R0 !read_ok"
    assert logs_in("0: (95) exit\n") == (("", "0: (95) exit\n"),)
    assert logs_in(" \n") == ()


# ------------------------------------------------------------------------------------------- places


def test_lines_of_old_kernels_come_from_the_object() -> None:
    lines = [(5, 20, "\t__u32 key = ctx->op;")] * 7 + [(7, 9, "\t*value += 1; /* OPT0901 */")]
    log = parse_log(text_of(Path(__file__).parent / "verifier_logs/5.10_null_check.txt"))
    found = diagnose(log, "program", written("null_check.bpf.c", *lines))
    assert found.span is not None
    assert (found.span.source.name, found.span.line) == ("null_check.bpf.c", 7)
    assert "error[OPT0901]: the kernel's verifier rejects `program`\n --> null_check.bpf.c:7:" in render(found)


def test_a_source_at_hand_is_pointed_into() -> None:
    source = Source("folder/small.opt", "option small {\n    send on ack { value = wanted }\n}\n")
    made = written("small.opt", (2, 27, "    send on ack { value = wanted }"))
    found = diagnose(parse_log("0: (95) exit\nR0 !read_ok\nprocessed 1 insns\n"), "program", made, [source])
    assert found.span is not None
    assert found.span.source is source
    assert found.span.text == "wanted }"


def test_a_rejected_option_is_a_defect_to_report() -> None:
    made = written("small.opt", (2, 5, "    send on ack { value = wanted }"))
    found = diagnose(parse_log("0: (95) exit\nR0 !read_ok\n"), "program", made)
    assert "this is a defect of optdsl" in told(found)
    assert "small.opt" in told(found)
    lacking = diagnose(parse_log("0: (85) call bpf_new#300\nunknown func bpf_new#300\n"), "program", made)
    assert (lacking.code, "defect" in told(lacking)) == ("OPT0902", False)


def test_functions_are_loaded_behind_the_program_in_the_order_of_calls() -> None:
    outer = function("outer", ".text", 0, CALL_LOCAL + EXIT, SourceLine(0, "x.c", 3, 1, "outer"), calls=".text+32")
    inner = function("inner", ".text", 4, EXIT, SourceLine(0, "x.c", 4, 1, "inner"))
    unused = function("unused", ".text", 2, EXIT * 2)
    program = function("program", "sockops", 0, CALL_LOCAL + EXIT, calls=".text+0")
    functions = linked(obj(program, outer, unused, inner), program)
    assert [(each.function.name, each.start) for each in functions] == [("program", 0), ("outer", 2), ("inner", 4)]
    line = line_at(functions, 4)
    assert line is not None
    assert line.text == "inner"
    assert line_at(functions, 5) is None
    assert line_at(functions, 0) is None, "the program itself has no lines"


def test_functions_that_call_one_another_in_a_circle() -> None:
    one = function("one", ".text", 0, CALL_LOCAL, calls=".text+8")
    other = function("other", ".text", 1, CALL_LOCAL, calls=".text+0")
    program = function("program", "sockops", 0, CALL_LOCAL, calls=".text+0")
    assert [each.function.name for each in linked(obj(program, one, other), program)] == ["program", "one", "other"]


def test_a_line_number_beyond_reason_is_told_and_not_drawn() -> None:
    found = diagnose(parse_log("; x @ x.c:4000000\n0: (95) exit\nR0 !read_ok\n"), "program", EMPTY)
    assert found.span is None
    assert "at x.c:4000000: x" in found.notes


# ------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("ctx()", "the context of the program"),
        ("scalar()", "a number of which nothing is known"),
        ("inv(id=0)", "a number of which nothing is known"),
        ("scalar(smin=0,smax=umax=255,var_off=(0x0; 0xff))", "a number, 0..=255"),
        ("inv(id=0,umax_value=255,var_off=(0x0; 0xff))", "a number, 0..=255"),
        ("scalar(smin=-128,smax=127)", "a number, -128..=127"),
        ("invP0", "the number 0"),
        ("0x10", "the number 16"),
        ("fp0", "the top of the stack"),
        ("fp-8", "a pointer into the stack, 8 bytes below its top"),
        ("fp(off=-300,smin=smin32=0,smax=umax=127)", "a pointer into the stack, -300..=-173 bytes from its top"),
        ("map_value_or_null(id=1,map=t,ks=4,vs=32)", "a pointer to a value of the map `t` (32 bytes), or null"),
        ("map_value(id=0,off=8,ks=4,vs=16,imm=0)", "a pointer to a value of the map (16 bytes), 8 bytes into it"),
        ("map_value(map=t,vs=32,smin=0,smax=umax=248)",
         "a pointer to a value of the map `t` (32 bytes), 0..=248 bytes into it"),
        ("ringbuf_mem(ref_obj_id=2,sz=4)", "a pointer to a record of 4 bytes in a ring buffer"),
        ("sock_or_null(id=1)", "a socket, or null"),
        ("trusted_ptr_sock()", "trusted_ptr_sock()"),
    ],
)  # fmt: skip
def test_registers_in_words(state: str, words: str) -> None:
    assert in_words(state) == words


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("program of this type cannot use helper bpf_x#26", Kind.NOT_OFFERED),
        ("unknown func bpf_x#226", Kind.NOT_OFFERED),
        ("invalid func unknown#208", Kind.NOT_OFFERED),
        ("BPF program is too large. Processed 1000001 insn", Kind.LIMIT),
        ("the call stack of 9 frames is too deep !", Kind.LIMIT),
        ("combined stack size of 2 calls is 608. Too large", Kind.LIMIT),
        ("back-edge from insn 8 to 2", Kind.REJECTED),
        ("words that no kernel says", Kind.REJECTED),
    ],
)
def test_what_sort_of_verdict_a_reason_is(reason: str, kind: Kind) -> None:
    assert explain(reason).kind is kind


# ------------------------------------------------------------------------------------ robustness

ALL_LINES = [line for log in LOGS for line in text_of(log).splitlines()]
PIECES = st.one_of(
    st.sampled_from(ALL_LINES),
    st.sampled_from(ALL_LINES).flatmap(lambda line: st.integers(0, len(line)).map(lambda end: line[:end])),
    st.tuples(st.sampled_from(ALL_LINES), st.text(max_size=3), st.integers(0, 60)).map(
        lambda found: found[0][: found[2]] + found[1] + found[0][found[2] :]
    ),
    st.sampled_from(ALL_LINES).map(lambda line: re.sub(r"\d+", "99999999999999999999999", line)),
    st.text(max_size=40),
)
MADE = written("small.opt", (1, 1, "option small {"), (2, 900, "\tx"), (0, 0, ""), (1 << 21, 1, "far"))


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12).map("\n".join))
def test_no_log_is_too_damaged(text: str) -> None:
    log = parse_log(text)
    for made in (EMPTY, MADE):
        assert render(diagnose(log, "program", made)).startswith("error[OPT09")
    for _, part in logs_in(text):
        parse_log(part)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="scalarinvPmp_ctxfu=(),;-[]0x123456789 ", max_size=60))
def test_no_register_state_is_too_damaged(state: str) -> None:
    assert isinstance(in_words(state), str)
