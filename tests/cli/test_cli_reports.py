"""What a compile tells, against golden files, and whether the commands that it suggests work."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_run import GOLDEN, GOOD, PROGRAMS, run, write

from optdsl import resources
from optdsl.kernel import cgroups, tools
from optdsl.kernel.bpffs import bpffs_mounts, unpin


def compare(name: str, text: str, request: pytest.FixtureRequest) -> None:
    """Compares with a golden file. `pytest --update-golden` writes it anew; read the difference before committing."""
    file = GOLDEN / name
    if request.config.getoption("--update-golden"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def without_this_machine(report: str) -> str:
    """A report without what depends on this machine or on the code generator."""
    sizes = re.compile(r"^(?:object|c|program) .*", re.MULTILINE)
    report = sizes.sub(lambda line: re.sub(r"(?<=, )\d+(?= (?:bytes|instructions))", "N", line[0]), report)
    report = re.sub(r"and \d+ in \d+ sub-programs", "and N in N sub-programs", report)
    report = re.sub(r"( -I/usr/include/\S+)", "", report)
    for place, mounts in (("CGROUP", cgroups.cgroup2_mounts()), ("BPFFS", bpffs_mounts())):
        report = report.replace(str(mounts[0]) if mounts else "/sys/fs/none", place)
    report = report.replace("  mount -t cgroup2 none /sys/fs/cgroup\n", "")
    return report.replace("/sys/fs/cgroup", "CGROUP").replace("/sys/fs/bpf", "BPFFS")


def test_the_report_of_a_sample(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    done = run("compile", str(resources.folder("samples") / "cc.opt"), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    compare("cc.report.txt", without_this_machine(done.stdout), request)


def test_the_report_of_every_layout_form(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = str(PROGRAMS / "forms.opt")
    done = run("compile", file, "--emit", "c", "--kernel", "6.1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    compare("forms.report.txt", without_this_machine(done.stdout), request)
    assert run("compile", file, "--quiet", cwd=tmp_path).stdout == ""


def test_the_description_of_every_layout_form(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    done = run("compile", str(PROGRAMS / "forms.opt"), "--emit", "json", "-q", "-o", "-", cwd=tmp_path)
    compare("forms.json", done.stdout, request)


def test_the_diagnostics_of_a_broken_program(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shutil.copy(PROGRAMS / "broken.opt", tmp_path)
    done = run("check", "broken.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    compare("broken.txt", done.stderr, request)


def test_the_budget_without_timestamps(tmp_path: Path) -> None:
    long = GOOD.replace("value : u8 in 1..=64", "value : u8  a : u64  b : u64  c : u64")
    write(tmp_path, "long.opt", long.replace("value = wanted", "value = wanted  a = 1  b = 2  c = 3"))
    refused = run("check", "long.opt", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error[OPT0503]: no room on ack packets")
    assert run("check", "long.opt", "--no-timestamps", cwd=tmp_path).returncode == 0


def test_what_has_no_room_together_is_told_apart(tmp_path: Path) -> None:
    for name, kind in (("one", 200), ("two", 201)):
        write(
            tmp_path,
            f"{name}.opt",
            f"option {name} {{ kind {kind} layout {{ x : bytes[9] }} send on syn {{ x = 1 }} }}",
        )
    refused = run("check", "one.opt", "two.opt", cwd=tmp_path)
    assert "no room on syn packets" in refused.stderr
    assert "note: `one` has 11 bytes, `two` has 11 bytes\n" in refused.stderr


def test_code_of_no_statement_belongs_to_the_option_and_not_to_its_documentation(tmp_path: Path) -> None:
    write(tmp_path, "said.opt", GOOD)
    assert run("compile", "said.opt", cwd=tmp_path).returncode == 0
    listing = run("inspect", "said.bpf.o", cwd=tmp_path).stdout
    assert "; said.opt:2  option " in listing
    assert "A small option" not in listing


@pytest.mark.kernel
def test_the_suggested_commands_work(tmp_path: Path) -> None:
    name = f"say{Path('/proc/self').resolve().name}"
    done = run("compile", write(tmp_path, f"{name}.opt", GOOD), cwd=tmp_path)
    commands = [line.strip().split("  #")[0] for line in done.stdout.splitlines() if re.match(r"  (bpftool|rm) ", line)]
    assert [command.split()[1] for command in commands] == ["prog", "cgroup", "map", "map", "cgroup", "-r"]
    assert any(f"cgroup attach {mount} " in commands[1] for mount in cgroups.cgroup2_mounts())
    pins = shlex.split(commands[-1])[2:]
    try:
        with cgroups.temporary(name) as cgroup:
            for command in commands:
                words = shlex.split(command)
                if words[1] == "cgroup":
                    words[3] = str(cgroup.path)  # not the whole machine
                ran = subprocess.run(
                    [tools.find(words[0]), *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
                )
                assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
                if words[1:3] == ["map", "dump"]:
                    assert "small" in ran.stdout
    finally:
        for pin in pins:
            unpin(Path(pin))
    assert not any(Path(pin).exists() for pin in pins)
