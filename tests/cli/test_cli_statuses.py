"""Exit statuses and what is said with them: bad input, wrong usage, interruptions, defects."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_run import BAD, GOOD, run, write

from optdsl import __version__
from optdsl.backends.llvm import BackendError
from optdsl.cli.main import main


def test_a_good_file(tmp_path: Path) -> None:
    done = run("check", write(tmp_path, "good.opt", GOOD), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "good.opt: no errors (small; Linux 5.10 or newer)\n"
    assert run("check", "--quiet", "good.opt", cwd=tmp_path).stdout == ""


def test_errors_in_the_input(tmp_path: Path) -> None:
    done = run("check", write(tmp_path, "bad.opt", BAD), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error[OPT0203]: value may not fit\n --> bad.opt:6:27\n")
    assert done.stderr.endswith("\n1 error\nexplain: optdsl explain OPT0203\n")


def test_warnings_are_shown_and_do_not_fail(tmp_path: Path) -> None:
    text = GOOD.replace("experimental 0x1234", "22")
    done = run("check", write(tmp_path, "warned.opt", text), cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith("warning[OPT0802]: kind 22 is assigned to Record Boundaries")
    assert done.stderr.endswith("\n1 warning\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "error[OPT0109]: nothing is declared here\n --> input.opt:1:1\n"),
        (b"// nothing\n", "error[OPT0109]: nothing is declared here"),
        (b"option x {\0}", "error[OPT0111]: input.opt is not a text file\n  = note: byte 11 is NUL\n"),
        (b"option \xff", "error[OPT0111]: input.opt is not a text file\n  = note: byte 8 is not UTF-8\n"),
        (b"/" * ((1 << 20) + 1), "error: cannot read input.opt: larger than 1 MiB\n"),
        (b"\x7fELF\x02\x01\x01", "error[OPT0103]"),
        (b"use a.b\noption x { }", "error[OPT0304]: there is no module `a.b`"),
    ],
)
def test_files_that_cannot_be_compiled(tmp_path: Path, content: bytes, message: str) -> None:
    done = run("compile", write(tmp_path, "input.opt", content), cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["input.opt"]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("absent.opt", "No such file or directory"),
        ("folder.opt", "Is a directory"),
        ("dangling.opt", "No such file or directory"),
        ("circle.opt", "Too many levels of symbolic links"),
        ("/proc/self/mem", "Input/output error"),
        ("/dev/zero", "larger than 1 MiB"),
        ("x" * 300, "File name too long"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, file: str, reason: str) -> None:
    (tmp_path / "folder.opt").mkdir()
    (tmp_path / "dangling.opt").symlink_to("nowhere")
    (tmp_path / "circle.opt").symlink_to("circle.opt")
    done = run("check", file, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: cannot read {file}: {reason}\n"


def test_line_ends_byte_order_marks_and_odd_names_are_fine(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert run("check", write(tmp_path, "windows.opt", text), cwd=tmp_path).returncode == 0
    name = os.fsdecode(b'a "\xff.opt')
    assert run("compile", write(tmp_path, name, GOOD), "-q", cwd=tmp_path).returncode == 0
    assert (tmp_path / os.fsdecode(b'a "\xff.bpf.o')).exists()


def test_modules_stand_beside_the_first_file(tmp_path: Path) -> None:
    write(tmp_path, "src/lib/limits.opt", "const most = 64\n")
    text = "use lib.limits\n" + GOOD.replace("= 2 in 1..=64", "= 2 in 1..=limits.most")
    write(tmp_path, "src/main.opt", text)
    assert run("check", "src/main.opt", cwd=tmp_path).returncode == 0
    write(tmp_path, "src/lib/limits.opt", b"const most = \xff")
    done = run("check", "src/main.opt", cwd=tmp_path)
    assert done.returncode == 1
    assert f"src/lib{os.sep}limits.opt is not a text file" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "usage: optdsl"),
        (["compile"], "the following arguments are required: FILE"),
        (["compil", "x.opt"], "error: unknown command `compil`"),
        (["compil"], "help: did you mean `optdsl compile`?"),
        (["check", "--emti", "c", "good.opt"], "error: `optdsl check` has no option `--emti`"),
        (["compile", "--emit", "elf", "good.opt"], "invalid choice: 'elf'"),
        (["compile", "--kernel", "6.8", "good.opt"], "help: use `--kernel 6.6`"),
        (["compile", "--kernel", "4.19", "good.opt"], "note: known versions: 5.10, 5.15, 6.1, 6.6, 6.12, 6.18"),
        (["check", "--kernel", "5.1", "good.opt"], "help: did you mean `5.1"),
        (["check", "--kernel", "", "good.opt"], "error: unknown kernel version ``"),
        (["targets", "--target", "mainlien"], "help: did you mean `mainline`?"),
        (["targets", "--target", "patched"], "target `patched` cannot be compiled for yet"),
        (["compile", "--no-lines", "good.opt"], "help: add `--emit c`"),
        (["compile", "good.opt", "-o", "good.opt"], "error: the output would overwrite good.opt"),
        (["compile", "good.opt", "-o", "./good.opt"], "error: the output would overwrite ./good.opt"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], told: str) -> None:
    write(tmp_path, "good.opt", GOOD)
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert (tmp_path / "good.opt").read_text() == GOOD


def test_version_and_help(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout == f"optdsl {__version__}\n"
    text = run("--help", cwd=tmp_path)
    assert (text.returncode, text.stderr) == (0, "")
    assert all(command in text.stdout for command in ("compile", "check", "inspect", "targets", "doctor"))
    assert "--emit" in run("compile", "--help", cwd=tmp_path).stdout


def test_targets_and_inspect(tmp_path: Path) -> None:
    done = run("targets", "--kernel", "5.10", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("target mainline, kernel 5.10\n")
    assert run("compile", write(tmp_path, "good.opt", GOOD), "-q", cwd=tmp_path).returncode == 0
    listed = run("inspect", "good.bpf.o", cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "; good.opt:6  send on ack { value = wanted }" in listed.stdout
    refused = run("inspect", "good.opt", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (1, "error: cannot read good.opt: this is not an ELF file\n")


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    command = f"{sys.executable} -m optdsl targets | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    first, status = done.stdout.splitlines()
    assert first == "target mainline"
    assert int(status) in (0, 141)  # 0: everything fitted into the pipe before `head` was gone


def test_a_closed_or_full_standard_output(tmp_path: Path) -> None:
    for redirection, status, told in ((">&-", 0, ""), (">/dev/full", 1, "No space left on device")):
        command = f"{sys.executable} -m optdsl targets {redirection}"
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert told in done.stderr
        assert "Traceback" not in done.stderr


def test_an_interrupt_is_quiet(tmp_path: Path) -> None:
    fifo = tmp_path / "slow.opt"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "optdsl", "check", str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with fifo.open("wb"):  # returns when the other process has opened the file and waits for what is in it
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 130
        assert process.communicate() == (b"", b"")


def test_a_defect_asks_for_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("divisor")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTDSL_DEBUG", raising=False)
    monkeypatch.setattr("optdsl.lower.program.Memory", broken)
    assert main(["compile", write(tmp_path, "good.opt", GOOD)]) == 70
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: internal error in stage lower: KeyError: 'divisor'\n")
    assert "please report it" in told.err
    assert "Traceback" not in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["good.opt"]
    monkeypatch.setenv("OPTDSL_DEBUG", "1")
    assert main(["compile", "good.opt"]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (
            BackendError("generate", "more than 512 bytes of stack", "good.opt", 6),
            1,
            "error: no kernel would accept this program\n --> good.opt:6:5\n",
        ),
        (BackendError("generate", "more than 512 bytes of stack"), 1, "this program: more than 512 bytes of stack\n"),
        (BackendError("parse", "expected type"), 70, "internal error in stage"),
    ],
)
def test_limits_of_the_kernel_are_errors_and_other_failures_of_a_back_end_are_defects(
    error: BackendError, status: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def refuse(*_: object) -> bytes:
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optdsl.backends.llvm.emit_object", refuse)
    assert main(["compile", write(tmp_path, "good.opt", GOOD)]) == status
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["good.opt"]
