"""What `kernel-patches/` tells of its series: the header and the tables agree with the patches themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parents[2] / "kernel-patches"
SERIES: Final = FOLDER / "6.12"
_DEFINE: Final = re.compile(r"#define\s+(\w+)\s+(0x[0-9a-f]+|\d+)\b")
_UAPI: Final = ("include/uapi/linux/mptcp.h", "include/uapi/linux/tcp.h")
_PAPERS: Final = {
    "0001": "about 100 and 75, for the MPTCP and the TCP option framework",
    "0003": "about 300, together with 0004 and 0005: the path-manager framework",
    "0006": "about 130",
    "0007": "about 80, in the scheduler",
    "0008": "about 70, together with 0009; the schedulers were there",
    "0011": "94",
}


def names() -> list[str]:
    """The patches of the series in their order."""
    lines = (line.strip() for line in (SERIES / "series").read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def added(patch: str, path: str = "") -> list[str]:
    """The lines that a patch adds to the files whose path ends so."""
    return [line[1:] for line in _changes(patch, path) if line.startswith("+")]


def removed(patch: str) -> list[str]:
    """The lines that a patch removes."""
    return [line[1:] for line in _changes(patch, "") if line.startswith("-")]


def size_row(patch: str) -> str:
    """A patch's row of the table of sizes."""
    number = patch[:4]
    return f"| {number} | {len(added(patch))} | {len(removed(patch))} | {_PAPERS.get(number, '')} |"


def test_the_series_names_what_is_there() -> None:
    assert names() == sorted(path.name for path in SERIES.glob("*.patch"))
    assert [name[:4] for name in names()] == [f"{number:04}" for number in range(1, len(names()) + 1)]


@pytest.mark.parametrize("patch", names())
def test_a_patch_says_why_and_who(patch: str) -> None:
    text = (SERIES / patch).read_text()
    message = text.partition("\n---\n")[0]
    assert "\nSigned-off-by: " in message
    assert len(message.splitlines()) > 12, "a reviewer needs the reason, the context and the locking"


def test_the_header_is_what_the_patches_add() -> None:
    in_patches = {
        match[1]: match[2]
        for patch in names()
        for path in _UAPI
        for line in added(patch, path)
        if (match := _DEFINE.match(line))
    }
    in_header = {match[1]: match[2] for match in _DEFINE.finditer((FOLDER / "mptcp_bpf.h").read_text())}
    stand_ins = {"SOL_TCP", "SOL_MPTCP", "IPPROTO_MPTCP", "BPF_SOCK_OPS_MPTCP_CB"}
    assert {name: value for name, value in in_header.items() if name not in stand_ins} == in_patches
    events = [
        line.strip().partition(",")[0] for patch in names() for line in added(patch, _UAPI[0]) if "\tMPTCP_" in line
    ]
    header = (FOLDER / "mptcp_bpf.h").read_text()
    assert [name for name in events if name not in header] == []


def test_the_readme_lists_every_patch_option_and_size() -> None:
    readme = (FOLDER / "README.md").read_text()
    for patch in names():
        assert re.search(rf"^\| {patch[:4]} \| [^|]*[a-z]", readme, re.MULTILINE), patch
        assert size_row(patch) in readme, f"the table of sizes should have: {size_row(patch)}"
    for name, value in _DEFINE.findall((FOLDER / "mptcp_bpf.h").read_text()):
        if (
            name.startswith(("MPTCP_BPF_", "TCP_DELACK", "MPTCP_IN", "MPTCP_SCH"))
            and int(value, 0) >= 64
            and "RST" not in name
        ):
            assert f"| `{name}` | {value}" in readme, name


def _changes(patch: str, path: str) -> list[str]:
    """The changed lines of a patch in the files whose path ends so, with their sign."""
    found: list[str] = []
    current = ""
    for line in (SERIES / patch).read_text().partition("\n---\n")[2].splitlines():
        if line.startswith("+++ "):
            current = line.removeprefix("+++ b/")
        elif line.startswith(("+", "-")) and not line.startswith("--- ") and line != "-- " and current.endswith(path):
            found.append(line)
    return found
