"""The exception, and what it takes out of verifier logs and libbpf's messages."""

import errno

from optdsl.kernel.errors import KernelError, split_verifier_log
from optdsl.kernel.verifier_log import parse_log

REJECTED = """\
0: R1=ctx() R10=fp0
; option[0] = kind; @ delayed_ack.opt:12
0: (bf) r6 = r1                       ; R1=ctx() R6=ctx()
12: (79) r2 = *(u64 *)(r0 +160)
invalid access to map value, value_size=16 off=160 size=8
R0 min value is outside of the allowed memory range
processed 11 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""

LIBBPF = f"""\
libbpf: prog 'opt_main': BPF program load failed: Permission denied
libbpf: prog 'opt_main': -- BEGIN PROG LOAD LOG --
{REJECTED}-- END PROG LOAD LOG --
libbpf: prog 'opt_main': failed to load: -13
"""


def test_reason_is_the_lines_before_the_statistics() -> None:
    expected = (
        "invalid access to map value, value_size=16 off=160 size=8; R0 min value is outside of the allowed memory range"
    )
    assert parse_log(REJECTED).reason == expected


def test_log_is_separated_from_messages() -> None:
    messages, log = split_verifier_log(LIBBPF)
    assert log == REJECTED.rstrip("\n")
    assert messages.splitlines() == [
        "prog 'opt_main': BPF program load failed: Permission denied",
        "prog 'opt_main': failed to load: -13",
    ]


def test_text_of_the_exception() -> None:
    error = KernelError("cannot load x", errno.EACCES, "libbpf says no\n", REJECTED)
    first, message, reason = str(error).splitlines()
    assert first == "cannot load x: Permission denied (EACCES)"
    assert message == "libbpf says no"
    assert reason.startswith("verifier: invalid access to map value")
    assert error.verifier_log == REJECTED.rstrip("\n")


def test_text_without_details() -> None:
    error = KernelError("cannot load x")
    assert str(error) == "cannot load x"
    assert error.symbol is None
