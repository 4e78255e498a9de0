"""The stack that a function uses, against the offsets that clang chose."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from optdsl.elf.object import read_object
from optdsl.elf.stack import stack_bytes
from optdsl.kernel.clang import compile_bpf

SOURCE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("sockops") int program(struct bpf_sock_ops *ctx)
{
	%s
	return 1;
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", 0),
        ('char text[] = "%d"; bpf_trace_printk(text, sizeof(text), ctx->op);', 3),
        ("char text[100] = {}; bpf_trace_printk(text, sizeof(text));", 100),
        ("char text[500] = {}; bpf_trace_printk(text, sizeof(text));", 500),
    ],
)
def test_deepest_byte(tmp_path: Path, body: str, expected: int) -> None:
    source, target = tmp_path / "x.c", tmp_path / "x.o"
    source.write_text(SOURCE % body, encoding="utf-8")
    compile_bpf(source, target)
    (program,) = read_object(target.read_bytes()).programs
    found = stack_bytes(program.code)
    # The array may be rounded up to a multiple of its alignment, or of 8.
    assert expected <= found <= expected + 7
    listed = subprocess.check_output(["llvm-objdump-14", "-d", target], text=True)
    offsets = [int(each) for each in re.findall(r"r10 - (0x[0-9a-f]+|\d+)", listed) if not each.startswith("0x")]
    assert found >= max(offsets, default=0)
