"""`optdsl fmt`: files in place, the standard streams, folders, tests and diffs, and what may go wrong."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cli_run import run, write

UGLY = "const   a=1\n"
PRETTY = "const a = 1\n"
WRONG = "const = 1\n"


def piped(text: str | bytes, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    data = text.encode() if isinstance(text, str) else text
    command = [sys.executable, "-m", "optdsl", "fmt", *arguments]
    return subprocess.run(command, cwd=cwd, input=data, capture_output=True, check=False, timeout=60)


def test_files_are_rewritten_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "ugly.opt", UGLY)
    write(tmp_path, "pretty.opt", PRETTY)
    before = (tmp_path / "pretty.opt").stat()
    done = run("fmt", "ugly.opt", "pretty.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 file reformatted, 1 left unchanged\n")
    assert (tmp_path / "ugly.opt").read_text() == PRETTY
    assert (tmp_path / "pretty.opt").stat().st_ino == before.st_ino
    done = run("fmt", "ugly.opt", "pretty.opt", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "2 files left unchanged\n")


def test_quiet(tmp_path: Path) -> None:
    write(tmp_path, "ugly.opt", UGLY)
    done = run("fmt", "-q", "--check", "ugly.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    done = run("fmt", "-q", "ugly.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "ugly.opt").read_text() == PRETTY


def test_mode_and_links_stay(tmp_path: Path) -> None:
    write(tmp_path, "real/ugly.opt", UGLY)
    real, link = tmp_path / "real" / "ugly.opt", tmp_path / "link.opt"
    real.chmod(0o640)
    link.symlink_to("real/ugly.opt")
    assert run("fmt", "link.opt", cwd=tmp_path).returncode == 0
    assert link.is_symlink()
    assert real.read_text() == PRETTY
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert [path.name for path in real.parent.iterdir()] == ["ugly.opt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_stays(tmp_path: Path) -> None:
    write(tmp_path, "ugly.opt", UGLY)
    os.chown(tmp_path / "ugly.opt", 65534, 65534)
    assert run("fmt", "ugly.opt", cwd=tmp_path).returncode == 0
    status = (tmp_path / "ugly.opt").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65534)


def test_folders_are_walked(tmp_path: Path) -> None:
    for name in ("a.opt", "sub/b.opt", "sub/deep/c.opt", ".hidden/d.opt", "sub/e.txt", "sub/.f.opt"):
        write(tmp_path, name, UGLY)
    (tmp_path / "sub" / "again.opt").symlink_to("../a.opt")
    (tmp_path / "sub" / "loop").symlink_to("..")
    done = run("fmt", "--check", ".", "a.opt", cwd=tmp_path)
    assert done.stdout.split() == ["a.opt", "sub/b.opt", "sub/deep/c.opt"]
    assert done.stderr == "3 files would be reformatted\n"
    assert run("fmt", "sub", cwd=tmp_path).stderr == "3 files reformatted\n"
    assert (tmp_path / "sub" / "e.txt").read_text() == UGLY
    (tmp_path / "empty").mkdir()
    done = run("fmt", "empty", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "no .opt files\n")


def test_check_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "ugly.opt", UGLY)
    done = run("fmt", "--check", "ugly.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "ugly.opt\n", "1 file would be reformatted\n")
    assert (tmp_path / "ugly.opt").read_text() == UGLY
    write(tmp_path, "pretty.opt", PRETTY)
    done = run("fmt", "--check", "pretty.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 file would be left unchanged\n")


def test_a_diff_is_a_patch(tmp_path: Path) -> None:
    write(tmp_path, "ugly.opt", UGLY + "\n\n\nconst b = 2")
    done = run("fmt", "--diff", "ugly.opt", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("--- ugly.opt\n+++ ugly.opt\n@@ ")
    assert "\n\\ No newline at end of file\n" in done.stdout
    subprocess.run(["patch", "-p0", "--quiet"], cwd=tmp_path, input=done.stdout, text=True, check=True)
    done = run("fmt", "--diff", "ugly.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_diff_has_colours_where_they_are_wanted(tmp_path: Path) -> None:
    write(tmp_path, "ugly.opt", UGLY)
    plain = run("fmt", "--diff", "ugly.opt", cwd=tmp_path).stdout
    coloured = run("fmt", "--diff", "ugly.opt", cwd=tmp_path, env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[32m+const a = 1\x1b[0m\n" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_standard_streams(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = piped(UGLY, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, PRETTY.encode(), b"")
    done = piped("// ä\r\n" + UGLY, *arguments, cwd=tmp_path)
    assert done.stdout == "// ä\n".encode() + PRETTY.encode()
    done = piped("", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = piped(WRONG, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"<stdin>:1:7" in done.stderr
    done = piped(UGLY, *arguments, "--check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, b"<stdin>\n")
    done = piped(UGLY, *arguments, "--diff", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, b"+const a = 1")


def test_usage(tmp_path: Path) -> None:
    done = run("fmt", "-", "a.opt", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: `-` stands alone: its output is the standard output",
    )


def test_a_wrong_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, "a.opt", WRONG)
    write(tmp_path, "b.opt", UGLY)
    write(tmp_path, "c.opt", b"const a = 1 // \xff\n")
    done = run("fmt", "a.opt", "missing.opt", "b.opt", "c.opt", cwd=tmp_path)
    assert done.returncode == 1
    assert "error[OPT0101]" in done.stderr
    assert "a.opt:1:7" in done.stderr
    assert "cannot read missing.opt: No such file or directory" in done.stderr
    assert done.stderr.splitlines()[-1] == "1 file reformatted, 3 with errors"
    assert (tmp_path / "a.opt").read_text() == WRONG
    assert (tmp_path / "b.opt").read_text() == PRETTY
    assert "Traceback" not in done.stderr


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.opt")
    with subprocess.Popen(["sh", "-c", "printf 'const   a=1' > pipe.opt"], cwd=tmp_path):
        done = run("fmt", "pipe.opt", cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot write pipe.opt: not a regular file" in done.stderr
    assert stat.S_ISFIFO((tmp_path / "pipe.opt").stat().st_mode)


def test_it_starts_without_what_it_does_not_need(tmp_path: Path) -> None:
    name = write(tmp_path, "ugly.opt", UGLY)
    done = run("fmt", name, cwd=tmp_path, python=("-X", "importtime"))
    modules = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert not {module.split(".")[0] for module in modules} & {"llvmlite", "elftools", "rich", "difflib", "subprocess"}
    assert not {
        module for module in modules if re.match(r"optdsl\.(semantics|targets|ir|lower|backends|kernel)", module)
    }
