"""The reader of `.BTF` sections against bpftool's, on an object that clang made."""

import json
from pathlib import Path

import pytest
from kernel_objects import compiled

from optdsl.kernel import tools
from optdsl.kernel.btf_reader import read_bpftool, read_raw

pytestmark = pytest.mark.kernel


def test_both_ways_give_the_same_types(tmp_path: Path) -> None:
    from elftools.elf.elffile import ELFFile

    path = compiled(tmp_path)
    with path.open("rb") as file:
        raw = read_raw(ELFFile(file).get_section_by_name(".BTF").data())
    document = json.loads(tools.run(["bpftool", "--json", "btf", "dump", "file", str(path)]).stdout)
    shown = read_bpftool(document)
    ids = [entry["id"] for entry in document["types"]]
    assert len(ids) > 30
    # bpftool shows neither the extra names of functions and tags nor what a forward declaration stands for.
    for type_id in ids:
        assert raw[type_id].kind == shown[type_id].kind
        assert raw[type_id].name == shown[type_id].name
        assert raw[type_id].members == shown[type_id].members
        assert raw[type_id].count == shown[type_id].count
