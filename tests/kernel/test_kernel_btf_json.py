"""The types that bpftool prints against those in the `.BTF` section itself."""

import errno
import json
from pathlib import Path

import pytest
from kernel_objects import compiled

from optdsl.elf import btf_types as t
from optdsl.elf.image import read_image
from optdsl.kernel import tools
from optdsl.kernel.btf import read_raw
from optdsl.kernel.btf_json import read_bpftool
from optdsl.kernel.clang import compile_bpf
from optdsl.kernel.errors import KernelError

# Every kind of type that clang 14 makes.
KINDS = """
#define SEC(name) __attribute__((section(name), used))
typedef unsigned int word;
enum level { LOW = 1, HIGH = 0xffffffff };
enum sign { MINUS = -1, PLUS = 1 };
enum wide { BIG = 1ULL << 40 };
struct declared; union also_declared;
struct item {
    int __attribute__((btf_type_tag("user"))) *tagged;
    _Bool flag : 1; unsigned : 2; unsigned bits : 5;
    enum level level; enum sign sign; enum wide wide;
    struct declared *declared; union also_declared *also;
    char name[4]; float ratio; double exact;
    struct { int inner; union { word whole; short halves[2]; }; };
} __attribute__((btf_decl_tag("noted")));
struct item item = {};
const volatile int constants[2] = {3, 4};
static int hidden;
extern int outside(struct item *, ...);
int check(struct item *restrict one, int (*call)(int)) { return ++hidden + outside(one, 1) + call(one->flag); }
char text[] SEC("license") = "GPL";
"""


@pytest.mark.kernel
@pytest.mark.parametrize("source", ["delayed_ack", "kinds"])
def test_both_ways_give_the_same_types(tmp_path: Path, source: str) -> None:
    if source == "kinds":
        text = tmp_path / "kinds.bpf.c"
        text.write_text(KINDS)
        path = compile_bpf(text, tmp_path / "kinds.bpf.o")
    else:
        path = compiled(tmp_path)
    section = read_image(path.read_bytes()).section(".BTF")
    assert section is not None
    raw = read_raw(section.data)
    document = json.loads(tools.run(["bpftool", "--json", "btf", "dump", "file", str(path)]).stdout)
    assert len(raw.types) > 30
    assert read_bpftool(document).types == raw.types


def test_names_and_defaults_of_old_versions() -> None:
    """bpftool 5.10 does not tell the encoding of an enumeration."""
    values = [{"name": "NONE", "val": 0}, {"name": "ALL", "val": -1}]
    entries = [
        {"id": 1, "kind": "ENUM", "name": "(anon)", "size": 4, "vlen": 2, "values": values},
        {"id": 2, "kind": "TYPEDEF", "name": "mask", "type_id": 1},
    ]
    types = read_bpftool({"types": entries}).types
    assert types == (t.Void(), t.Enum("", 4, False, (("NONE", 0), ("ALL", 2**32 - 1))), t.Typedef("mask", 1))


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(KernelError, match="unknown kind UNKN") as caught:
        read_bpftool({"types": [{"id": 1, "kind": "UNKN", "name": "(anon)"}]})
    assert caught.value.errno == errno.EINVAL
