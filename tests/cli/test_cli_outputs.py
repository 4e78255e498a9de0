"""What is written where: every form of output, whole or not at all, and what goes to which stream."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_run import BAD, GOOD, on_terminal, run, write

from optdsl.cli.errors import InputError
from optdsl.cli.main import main
from optdsl.cli.output import write_output
from optdsl.cli.sources import program_name
from optdsl.elf.object import read_object

ENDINGS = {"object": ".bpf.o", "c": ".bpf.c", "ir": ".ir", "llvm": ".ll", "asm": ".s", "json": ".json"}


@pytest.mark.parametrize(("form", "ending"), ENDINGS.items())
def test_each_form_has_its_default_name_in_the_current_folder(tmp_path: Path, form: str, ending: str) -> None:
    write(tmp_path, "elsewhere/small.opt", GOOD)
    done = run("compile", "elsewhere/small.opt", "--emit", form, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    data = (tmp_path / f"small{ending}").read_bytes()
    to_stdout = run("compile", "elsewhere/small.opt", "--emit", form, "-q", "-o", "out", cwd=tmp_path)
    assert to_stdout.returncode == 0
    assert (tmp_path / "out").read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["elsewhere", f"small{ending}", "out"])
    assert str(tmp_path).encode() not in data


def test_outputs_look_like_what_they_are(tmp_path: Path) -> None:
    write(tmp_path, "tiny.opt", GOOD)

    def text(form: str, *more: str) -> str:
        return run("compile", "tiny.opt", "--emit", form, "-q", "-o", "-", *more, cwd=tmp_path).stdout

    assert '#line 6 "tiny.opt"' in text("c")
    assert "#line" not in text("c", "--no-lines")
    assert 'program tiny license "GPL"' in text("ir")
    assert "define i32 @tiny(ptr" in text("llvm")
    assert "tiny:" in text("asm")
    assert json.loads(text("json"))["name"] == "tiny"


def test_the_report_and_diagnostics_keep_out_of_an_output_on_stdout(tmp_path: Path) -> None:
    text = GOOD.replace("experimental 0x1234", "22")
    done = run("compile", write(tmp_path, "small.opt", text), "--emit", "json", "-o", "-", cwd=tmp_path)
    assert json.loads(done.stdout)["options"][0]["kind"] == 22
    assert "warning[OPT0802]" in done.stderr
    assert "bytes of option space" in done.stderr
    ordinary = run("compile", "small.opt", cwd=tmp_path)
    assert "bytes of option space" in ordinary.stdout
    assert ordinary.stderr.startswith("warning[OPT0802]")


def test_an_object_on_stdout_is_the_same_as_in_a_file(tmp_path: Path) -> None:
    write(tmp_path, "small.opt", GOOD)
    command = [sys.executable, "-m", "optdsl", "compile", "small.opt", "-q", "-o"]
    piped = subprocess.run([*command, "-"], cwd=tmp_path, capture_output=True, check=True).stdout
    subprocess.run([*command, "a.bpf.o"], cwd=tmp_path, check=True)
    assert piped == (tmp_path / "a.bpf.o").read_bytes()


def test_several_files_are_one_program_named_after_the_output(tmp_path: Path) -> None:
    write(tmp_path, "one.opt", GOOD)
    write(tmp_path, "two.opt", GOOD.replace("small", "other").replace("0x1234", "0x5678"))

    def program_of(*arguments: str, output: str) -> str:
        assert run("compile", "-q", *arguments, cwd=tmp_path).returncode == 0
        return read_object((tmp_path / output).read_bytes()).programs[0].name

    assert program_of("one.opt", "two.opt", "-o", "both.bpf.o", output="both.bpf.o") == "both"
    assert program_of("one.opt", "two.opt", output="one.bpf.o") == "one"
    assert program_of("one.opt", "-o", "renamed.bpf.o", output="renamed.bpf.o") == "one"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("samples/delack.opt", "delack"), ("both.bpf.o", "both"), ("both.o", "both"), ("x.bpf.c", "x"),
        ("my-option v2.opt", "my_option_v2"), ("28.opt", "_28"), ("語.opt", "option"), (".opt", "opt"),
        ("a_name_that_is_much_too_long.opt", "a_name_that_is"), ("a.b.opt", "a_b"), ("noending", "noending"),
    ],
)  # fmt: skip
def test_names_of_programs(path: str, name: str) -> None:
    assert program_name(path) == name


def test_a_failed_compile_leaves_nothing_new_and_nothing_changed(tmp_path: Path) -> None:
    write(tmp_path, "bad.opt", BAD)
    assert run("compile", "bad.opt", "-o", "out.bpf.o", cwd=tmp_path).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.opt"]
    write(tmp_path, "out.bpf.o", "precious")
    assert run("compile", "bad.opt", "-o", "out.bpf.o", cwd=tmp_path).returncode == 1
    assert (tmp_path / "out.bpf.o").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("absent/out.o", "No such file or directory"),
        ("folder", "Is a directory"),
        ("/dev/full", "No space left on device"),
        ("good.opt/out.o", "Not a directory"),
    ],
)
def test_outputs_that_cannot_be_written(tmp_path: Path, output: str, reason: str) -> None:
    write(tmp_path, "good.opt", GOOD)
    (tmp_path / "folder").mkdir()
    done = run("compile", "good.opt", "-q", "-o", output, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"error: cannot write {output}: {reason}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "good.opt"]


def test_a_write_that_fails_half_way_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "out.o"
    target.write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="No space left on device"):
        write_output(str(target), b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["out.o"]
    assert target.read_bytes() == b"old"


def test_links_and_devices_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.o").symlink_to("real/out.o")
    write_output(str(tmp_path / "link.o"), b"data")
    assert (tmp_path / "link.o").is_symlink()
    assert (tmp_path / "real" / "out.o").read_bytes() == b"data"
    write_output(os.devnull, b"data")
    assert Path(os.devnull).is_char_device()
    reading, writing = os.pipe()
    write_output(f"/proc/self/fd/{writing}", b"data")  # /dev/stdout is such a link
    assert os.read(reading, 9) == b"data"
    os.close(reading)
    os.close(writing)


def test_new_files_have_ordinary_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_output(str(tmp_path / "out.o"), b"data")
    finally:
        os.umask(mask)
    assert (tmp_path / "out.o").stat().st_mode & 0o777 == 0o640


def test_colours_on_a_terminal_unless_they_are_unwanted(tmp_path: Path) -> None:
    write(tmp_path, "bad.opt", BAD)
    plain = run("check", "bad.opt", cwd=tmp_path).stderr
    assert "\x1b" not in plain
    colored = on_terminal("check", "bad.opt", cwd=tmp_path, columns=80).stdout
    assert colored.startswith("\x1b[1;31merror[OPT0203]\x1b[0m")
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain
    assert on_terminal("check", "bad.opt", cwd=tmp_path, columns=80, env={"NO_COLOR": "1"}).stdout == plain
    assert on_terminal("check", "bad.opt", cwd=tmp_path, columns=80, env={"TERM": "dumb"}).stdout == plain


def test_an_object_is_not_poured_onto_a_terminal(tmp_path: Path) -> None:
    name, env = write(tmp_path, "good.opt", GOOD), {"NO_COLOR": "1"}
    told = on_terminal("compile", name, "-o", "-", cwd=tmp_path, columns=80, env=env).stdout
    assert told == "error: an object is not for a terminal to show\n  = help: use `--emit asm`, or a pipe\n"


def test_the_command_line_can_be_called_from_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "good.opt", GOOD)
    assert main(["check", str(tmp_path / "good.opt")]) == 0
    assert capsys.readouterr().out.endswith("no errors (small; Linux 5.10 or newer)\n")
