"""`optdsl param`: params of a loaded program by name, in the words of the language, checked as declarations are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import run

from optdsl.backends.llvm import emit_object
from optdsl.compiler import lower_program
from optdsl.kernel import bpftool
from optdsl.kernel.bpftool import Pinned
from samples.sample_objects import load_module

pytestmark = pytest.mark.kernel

TEXT = """\
use std.congestion
enum mode : u4 { off, slow, fast = 8 }
option probe {
    kind experimental 0x1234
    layout { x : u8  which : mode  _ : u4 }
    /// How long.
    param pause   : duration = 1500ms in 1ms..=1min
    param speed   : rate = (2 + 3) * 1mbps
    param share   : ratio = 12.5%
    param count_  : u16 = 0
    param active  : bool = true
    param how     : mode = fast
    param label   : text[16] = "cubic"
    param partner : address = 2001:db8::7
    param gateway : ip4 = 192.0.2.7
    param cookie  : bytes[3] = 0x010203
    param trusted : prefixes[4] = { 10.0.0.0/8 }
    send on ack, data until acked { x = congestion.bbr  which = slow }
    receive { }
}
"""
BEFORE = """\
probe.pause                   1500ms          1ms..=1min               How long.
probe.speed                   5mbps           0bps..=1099511627775bps
probe.share                   12.5%           0%..=100%
probe.count_                  0               0..=65535
probe.active                  true
probe.how                     fast            off, slow, fast
probe.label                   "cubic"
probe.partner                 2001:db8::7
probe.gateway                 192.0.2.7
probe.cookie                  0x010203
probe.trusted                 { 10.0.0.0/8 }
settings.until_acked_packets  16                                       most repeats of `until acked` without data
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "probe.opt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> Iterator[Pinned]:
    from optdsl.compiler import Options, analyse
    from optdsl.diagnostics import Diagnostics
    from optdsl.source import Source

    program = analyse([Source("probe.opt", TEXT)], Options("probe"), load_module, Diagnostics())
    (folder / "probe.bpf.o").write_bytes(emit_object(lower_program(program)))
    pinned = bpftool.load(folder / "probe.bpf.o", f"optdsl-test-{os.getpid()}-param")
    try:
        yield pinned
    finally:
        pinned.remove()


def param(folder: Path, loaded: Pinned, *names: str) -> subprocess.CompletedProcess[str]:
    return run("param", "probe.opt", str(loaded.directory / "maps"), *names, cwd=folder)


def test_all_params(folder: Path, loaded: Pinned) -> None:
    done = param(folder, loaded)
    assert (done.returncode, done.stdout, done.stderr) == (0, BEFORE, "")
    done = run("param", "probe.opt", str(loaded.map(".data.params")), "probe.how", cwd=folder)
    assert done.stdout == "probe.how  fast  off, slow, fast\n"


@pytest.mark.parametrize(
    ("name", "value", "shown", "kept"),
    [
        ("pause", "2s", "2s", 2_000_000),
        ("speed", "(8kbps)", "8kbps", 8_000),
        ("share", "1%", "1%", 10_000),
        ("count_", "congestion.cubic + 1", "3", 3),
        ("active", "false", "false", 0),
        ("how", "mode.slow", "slow", 1),
        ("label", '"bbr"', '"bbr"', "bbr"),
        ("partner", "192.0.2.1", "192.0.2.1", [*[0] * 10, 255, 255, 192, 0, 2, 1]),
        ("gateway", "10.1.2.3", "10.1.2.3", [10, 1, 2, 3]),
        ("cookie", "0xFF", "0x0000ff", [0, 0, 255]),
        ("trusted", "{ fd00::/8, 192.0.2.1 }", "{ fd00::/8, 192.0.2.1/32 }", None),
    ],
)
def test_every_type_is_set(folder: Path, loaded: Pinned, name: str, value: str, shown: str, kept: object) -> None:
    before = bpftool.read(loaded.map(".data.params"))
    done = param(folder, loaded, f"probe.{name}={value}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"probe.{name}  {shown}")
    after = bpftool.read(loaded.map(".data.params"))
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    was, now = before["probe"], after["probe"]
    assert isinstance(was, dict)
    assert isinstance(now, dict)
    assert {key for key in was if was[key] != now[key]} == {name}
    assert kept is None or now[name] == kept


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        ("probe.pause=2min", 1, "1ms..=1min"),
        ("probe.pause=2mbps", 1, "expected a duration"),
        ("probe.how=quick", 1, "is one of off, slow, fast"),
        ("probe.trusted={ 1.0.0.0/8, 2.0.0.0/8, 3.0.0.0/8, 4.0.0.0/8, 5.0.0.0/8 }", 1, "prefix"),
        ("probe.count_=3 in 0..=5", 2, "is not one value"),
        ("probe.count_=3 param other : u8 = 1", 2, "is not one value"),
        ("probe.count_=", 2, "has no value"),
        ("probe.nothing=1", 2, "no param probe.nothing"),
        ("probe.nothing", 2, "no param probe.nothing"),
        ("settings.until_acked_packets=65536", 2, "0..=65535"),
    ],
)
def test_what_is_refused_changes_nothing(folder: Path, loaded: Pinned, given: str, status: int, told: str) -> None:
    done = param(folder, loaded, "probe.share=2%", given)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert param(folder, loaded).stdout == BEFORE


def test_several_at_once_and_settings(folder: Path, loaded: Pinned) -> None:
    done = param(folder, loaded, "settings.until_acked_packets=3", "probe.active=false", "probe.how")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["settings.until_acked_packets", "3"], ["probe.active", "false"], ["probe.how", "fast"],
    ]  # fmt: skip


def test_numbers_that_others_have_written(folder: Path, loaded: Pinned) -> None:
    for path, number in (("probe.pause", 0), ("probe.how", 5)):
        bpftool.set_member(loaded.map(".data.params"), path, number)
    lines = param(folder, loaded, "probe.pause", "probe.how").stdout.splitlines()
    assert lines[0].startswith("probe.pause  0us (taken as 1ms)")
    assert lines[1].startswith("probe.how    5 (taken as fast)")


def test_another_program(folder: Path, loaded: Pinned) -> None:
    for old, new in (("count_", "other"), ("option probe", "option prober"), ("u16", "u32")):
        (folder / "probe.opt").write_text(TEXT.replace(old, new), encoding="utf-8")
        done = param(folder, loaded)
        assert (done.returncode, done.stdout) == (1, "")
        assert "is not of this program" in done.stderr
    (folder / "probe.opt").write_text(TEXT, encoding="utf-8")
    for pin in (str(folder), str(loaded.map("counters")), str(folder / "none")):
        done = run("param", "probe.opt", pin, cwd=folder)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ")
