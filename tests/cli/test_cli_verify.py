"""`optdsl verify`: what the kernel accepts, and where it is shown what it rejects."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_run import BAD, GOOD, run, write

from optdsl.backends.c import emit_c
from optdsl.cli import demo
from optdsl.cli.errors import AlreadyToldError
from optdsl.cli.main import main
from optdsl.cli.sources import module_loader, read_source
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import Diagnostics
from optdsl.elf.object import read_object
from optdsl.kernel.bpffs import bpffs_mounts
from optdsl.kernel.clang import compile_bpf

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "samples").glob("*.opt"))
REJECTED = sorted((ROOT / "tests/kernel/verifier_programs").glob("*.bpf.c"))
LOGS = ROOT / "tests/kernel/verifier_logs"
UNSET = bytes([0xBF, 0x70, 0, 0, 0, 0, 0, 0])
"""`r0 = r7`"""
MARK = re.compile(r"/\* (OPT09\d\d) \*/")


def rejection(stdout: str) -> dict[str, Any]:
    (verdict,) = json.loads(stdout)
    assert verdict["accepted"] is False
    found: dict[str, Any] = verdict["rejection"]
    return found


def compiled(folder: Path, name: str, *options: str) -> str:
    """One of the programs that the verifier rejects, as an object in a folder."""
    source = next(each for each in REJECTED if each.name == f"{name}.bpf.c")
    return compile_bpf(source, folder / f"{name}.bpf.o", *options).name


# ------------------------------------------------------------------------------------------ accepted


@pytest.mark.kernel
def test_every_sample_is_accepted(tmp_path: Path) -> None:
    done = run("verify", *map(str, SAMPLES), "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    verdicts = json.loads(done.stdout)
    assert [verdict["file"] for verdict in verdicts] == [str(path) for path in SAMPLES]
    for verdict in verdicts:
        assert verdict["accepted"] is True
        assert verdict["rejection"] is None
        assert 0 < verdict["instructions"] < verdict["limit"]
        assert verdict["xlated"] > 100
        assert verdict["peak_states"] > 0
        assert sum(verdict["stack"]) <= 512
    assert list(tmp_path.iterdir()) == []


@pytest.mark.kernel
def test_every_sample_is_accepted_through_c(tmp_path: Path) -> None:
    objects = []
    for path in SAMPLES:
        checked = analyse([read_source(str(path))], Options(path.stem), module_loader(path.parent), Diagnostics())
        source = tmp_path / f"{path.stem}.bpf.c"
        source.write_text(emit_c(lower_program(checked)))
        objects.append(compile_bpf(source, tmp_path / f"{path.stem}.bpf.o").name)
    done = run("verify", *objects, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("accepted") == len(SAMPLES)


@pytest.mark.kernel
def test_the_table(tmp_path: Path) -> None:
    done = run("verify", write(tmp_path, "small.opt", GOOD), cwd=tmp_path)
    heading, row = done.stdout.splitlines()
    assert re.split(r"  +", heading)[:5] == ["file", "program", "verdict", "instructions", "peak states"]
    assert re.fullmatch(r"small\.opt  small\w* +accepted  \d+ +\d+ +[\d+]+ B +\d+ µs  \d+ B( +\d+ B)?", row)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.kernel
def test_nothing_stays_in_the_kernel(tmp_path: Path) -> None:
    write(tmp_path, "small.opt", GOOD)
    before = {pin for mount in bpffs_mounts() for pin in mount.iterdir()}
    assert run("verify", "small.opt", cwd=tmp_path).returncode == 0
    names = subprocess.run(["bpftool", "prog", "show"], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"name small\w*\b", names)
    assert {pin for mount in bpffs_mounts() for pin in mount.iterdir()} - before == set()


# ------------------------------------------------------------------------------------------ rejected


@pytest.mark.kernel
@pytest.mark.parametrize("source", REJECTED, ids=lambda path: path.name.partition(".")[0])
def test_a_rejection_is_shown_at_its_line(tmp_path: Path, source: Path) -> None:
    (line, code), = [(number, found[1]) for number, text in enumerate(source.read_text().splitlines(), 1)
                     if (found := MARK.search(text))]  # fmt: skip
    name = compiled(tmp_path, source.name.partition(".")[0])
    done = run("verify", name, "--json", cwd=tmp_path)
    assert done.returncode == 1
    told = rejection(done.stdout)
    assert told["code"] == code
    assert told["file"].endswith(source.name)
    assert told["span"]["start"]["line"] == line
    assert told["label"]
    assert told["suggestion"]
    assert f"error[{code}]" in done.stderr
    assert "1 error" in done.stderr
    quoted = source.read_text().splitlines()[line - 1].strip()
    assert quoted[:60] in done.stderr
    assert "Traceback" not in done.stderr


def spoiled(folder: Path) -> Path:
    """The object of an option as a defective compiler would make it: its first instruction reads what nobody set."""
    assert run("compile", write(folder, "small.opt", GOOD), "-q", "-o", "small.bpf.o", cwd=folder).returncode == 0
    path = folder / "small.bpf.o"
    data = path.read_bytes()
    code = read_object(data).programs[0].code
    path.write_bytes(data.replace(code, UNSET + code[len(UNSET) :]))
    return path


@pytest.mark.kernel
def test_an_option_that_is_rejected_is_a_defect_at_its_line(tmp_path: Path) -> None:
    done = run("verify", spoiled(tmp_path).name, cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"\n --> small\.opt:\d:\d+\n", done.stderr)
    assert "the kernel's words: R7 !read_ok" in done.stderr
    assert "this is a defect of optdsl, not of your program; please report it with small.opt" in done.stderr


@pytest.mark.kernel
def test_the_demonstration_shows_a_rejection_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AlreadyToldError):
        demo._demonstrate(spoiled(tmp_path), tmp_path)
    told = capsys.readouterr().err
    assert told.startswith("error[OPT0901]: the kernel's verifier rejects `small")
    assert "--> small.opt:" in told
    assert "Traceback" not in told


@pytest.mark.kernel
def test_an_object_that_does_not_quote_its_lines(tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "kernel/verifier_programs"
    # clang looks for the text under the name that it writes, and leaves it out if there is no such file.
    name = compiled(tmp_path, "division", f"-fdebug-prefix-map={folder}=gone")
    done = run("verify", name, cwd=tmp_path)
    assert done.returncode == 1
    assert "error[OPT0901]: the kernel's verifier rejects `program`\n  = note: at " in done.stderr
    assert "gone/division.bpf.c:6" in done.stderr
    assert "this divides by zero" in done.stderr


@pytest.mark.kernel
def test_a_failure_beside_the_verifier_is_told_as_such(tmp_path: Path) -> None:
    text = 'char _license[] __attribute__((section("license"))) = "GPL";\n' \
           '__attribute__((section("nowhere"), used)) int program(void *ctx) { return ctx != 0; }\n'  # fmt: skip
    compile_bpf(tmp_path / write(tmp_path, "x.bpf.c", text), tmp_path / "x.bpf.o")
    done = run("verify", "x.bpf.o", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: x.bpf.o: cannot load the object x: Invalid argument (EINVAL)\n")
    assert "check ELF section name 'nowhere'" in done.stderr
    assert "verifier" not in done.stderr


@pytest.mark.kernel
def test_the_whole_log_on_demand(tmp_path: Path) -> None:
    name = compiled(tmp_path, "null_check")
    short = run("verify", name, cwd=tmp_path)
    assert "call bpf_map_lookup_elem#1" not in short.stdout + short.stderr
    assert "`--log` shows the kernel's whole log" in short.stdout
    long = run("verify", name, "--log", cwd=tmp_path)
    assert "6: (85) call bpf_map_lookup_elem#1" in long.stdout
    assert long.stderr == short.stderr
    assert (short.returncode, long.returncode) == (1, 1)


@pytest.mark.kernel
def test_a_rejected_file_does_not_hide_the_others(tmp_path: Path) -> None:
    done = run("verify", compiled(tmp_path, "division"), write(tmp_path, "small.opt", GOOD), cwd=tmp_path)
    assert done.returncode == 1
    assert [re.split(r"  +", line)[2] for line in done.stdout.splitlines()[:3]] == ["verdict", "rejected", "accepted"]


@pytest.mark.kernel
def test_rejections_in_the_forms_for_programs(tmp_path: Path) -> None:
    name = compiled(tmp_path, "division")
    lines = run("verify", name, "--message-format", "json", cwd=tmp_path).stderr.splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["OPT0901"]
    sarif = run("verify", name, "--message-format", "sarif", cwd=tmp_path)
    assert json.loads(sarif.stdout)["runs"][0]["results"][0]["ruleId"] == "OPT0901"


@pytest.mark.kernel
def test_an_attachment_that_is_rejected_shows_the_line(tmp_path: Path) -> None:
    from optdsl.kernel.rejection import RejectedError
    from optdsl.lab.attach import attached

    path = tmp_path / compiled(tmp_path, "map_value")
    with pytest.raises(RejectedError, match=r"map_value\.bpf\.c:9:") as caught, attached(path):
        pass
    assert [each.code for each in caught.value.diagnostics] == ["OPT0901"]
    assert "processed" in caught.value.verifier_log


@pytest.mark.kernel
def test_what_bpftool_printed_is_shown_at_the_line(tmp_path: Path) -> None:
    name = compiled(tmp_path, "map_value")
    pin = bpffs_mounts()[0] / f"optdsl-test-{os.getpid()}-verify"
    printed = subprocess.run(["bpftool", "-d", "prog", "load", name, str(pin)], cwd=tmp_path, capture_output=True,
                             text=True, check=False)  # fmt: skip
    assert not pin.exists()
    write(tmp_path, "saved.log", printed.stdout + printed.stderr)
    done = run("verify", name, "--explain-log", "saved.log", cwd=tmp_path)
    assert done.returncode == 1
    assert "map_value.bpf.c:9:" in done.stderr
    assert "value[20] = ctx->op;" in done.stderr


# ------------------------------------------------------------------------------- without the kernel


def test_a_saved_log_of_an_option_is_a_defect_at_its_line(tmp_path: Path) -> None:
    write(tmp_path, "small.opt", GOOD)
    assert run("compile", "small.opt", "-q", cwd=tmp_path).returncode == 0
    log = "; receive { socket.delack_max = 10ms } @ small.opt:7\n12: (85) call bpf_setsockopt#49\nR4 !read_ok\n"
    write(tmp_path, "saved.log", f"{log}processed 9 insns\n")
    for file in ("small.bpf.o", "small.opt"):
        done = run("verify", file, "--explain-log", "saved.log", cwd=tmp_path)
        assert done.returncode == 1
        assert "--> small.opt:7:" in done.stderr
        assert "this is a defect of optdsl, not of your program; please report it with small.opt" in done.stderr


def test_recorded_logs_against_any_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "small.opt", GOOD)
    assert run("compile", "small.opt", "-q", "-o", "small.bpf.o", cwd=tmp_path).returncode == 0
    for log in LOGS.glob("*.txt"):
        assert main(["verify", str(tmp_path / "small.bpf.o"), "--explain-log", str(log)]) == 1, log
        assert re.match(r"error\[OPT09\d\d\]: ", capsys.readouterr().err), log


def test_a_log_without_a_rejection_is_no_error(tmp_path: Path) -> None:
    write(tmp_path, "small.opt", GOOD)
    write(tmp_path, "saved.log", "verification time 5 usec\nstack depth 8\nprocessed 9 insns (limit 1000000) "
          "max_states_per_insn 0 total_states 2 peak_states 1 mark_read 0\n")  # fmt: skip
    done = run("verify", "small.opt", "--explain-log", "saved.log", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"small\.opt  small\w*  accepted  9 +1 +8 B +5 µs", done.stdout.splitlines()[1])


def test_what_cannot_be_verified_is_told(tmp_path: Path) -> None:
    write(tmp_path, "small.opt", GOOD)
    write(tmp_path, "bad.opt", BAD)
    write(tmp_path, "empty", "")
    write(tmp_path, "text.bpf.o", "no object\n")

    def failing(*arguments: str, status: int = 1) -> str:
        done = run("verify", *arguments, cwd=tmp_path)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "holds no log of the verifier" in failing("small.opt", "--explain-log", "empty")
    assert "holds no log of the verifier" in failing("small.opt", "--explain-log", "small.opt")
    assert "cannot read gone.log" in failing("small.opt", "--explain-log", "gone.log")
    assert "cannot read text.bpf.o" in failing("text.bpf.o", "--explain-log", "empty")
    assert "error[OPT0203]" in failing("bad.opt", "--explain-log", "empty")
    assert "is about one FILE" in failing("small.opt", "bad.opt", "--explain-log", "empty", status=2)
    assert "either the FILE or the LOG" in failing("-", "--explain-log", "-", status=2)


@pytest.mark.kernel
def test_without_privileges_it_says_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "small.opt", GOOD)
    dropped = "import os, sys; os.setresuid(65534, 65534, 65534); sys.argv = ['optdsl', 'verify', 'small.opt']; "
    code = f"{dropped}from optdsl.cli.main import main; sys.exit(main())"
    preload = "import optdsl.cli.main, optdsl.cli.verify, optdsl.kernel.probe_kernel, optdsl.diagnostics.render, " \
              "optdsl.diagnostics.formats, optdsl.diagnostics.render_json; "  # fmt: skip
    done = subprocess.run([sys.executable, "-c", preload + code], cwd=tmp_path, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "the kernel cannot be asked: may not load programs" in done.stderr
    assert "optdsl doctor" in done.stderr
