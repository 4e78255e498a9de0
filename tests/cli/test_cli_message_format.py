"""`--message-format`: which form goes to which stream, for every command that has diagnostics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_run import BAD, GOOD, run, write

from optdsl.elf.object import read_object

WARNED = GOOD.replace("experimental 0x1234", "22")


def results(document: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(document)["runs"][0]["results"]
    return found


@pytest.mark.parametrize("command", ["check", "compile", "demo"])
@pytest.mark.parametrize(("form", "start"), [("json", '{"code": "OPT0203"'), ("github", "::error file=bad.opt,line=6")])
def test_lines_for_programs_go_to_stderr(command: str, form: str, start: str, tmp_path: Path) -> None:
    done = run(command, write(tmp_path, "bad.opt", BAD), "--message-format", form, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(start)
    assert done.stderr.count("\n") == 1


def test_a_fix_can_be_applied_by_its_byte_offsets(tmp_path: Path) -> None:
    text = BAD.replace("A small", "Une très petite 語").encode()
    done = run("check", write(tmp_path, "bad.opt", text), "--message-format", "json", cwd=tmp_path)
    suggestion = json.loads(done.stderr)["suggestion"]
    start, end = (suggestion["span"][edge]["offset"] for edge in ("start", "end"))
    (tmp_path / "bad.opt").write_bytes(text[:start] + suggestion["replacement"].encode() + text[end:])
    assert run("check", "bad.opt", cwd=tmp_path).returncode == 0


def test_a_sarif_document_is_all_that_check_writes_to_stdout(tmp_path: Path) -> None:
    done = run("check", write(tmp_path, "bad.opt", BAD), "--message-format", "sarif", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert [result["ruleId"] for result in results(done.stdout)] == ["OPT0203"]
    done = run("check", write(tmp_path, "good.opt", GOOD), "--message-format", "sarif", cwd=tmp_path)
    assert (done.returncode, done.stderr, results(done.stdout)) == (0, "", [])


def test_a_sarif_document_makes_room_for_an_output_on_stdout(tmp_path: Path) -> None:
    write(tmp_path, "warned.opt", WARNED)
    done = run("compile", "warned.opt", "--message-format", "sarif", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [result["level"] for result in results(done.stdout)] == ["warning"]
    assert read_object((tmp_path / "warned.bpf.o").read_bytes()).programs
    done = run("compile", "warned.opt", "--message-format", "sarif", "--emit", "json", "-o", "-", cwd=tmp_path)
    assert json.loads(done.stdout)["name"] == "warned"
    assert [result["level"] for result in results(done.stderr)] == ["warning"]
    done = run("demo", write(tmp_path, "bad.opt", BAD), "--message-format", "sarif", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(results(done.stderr)) == 1


def test_warnings_stand_before_the_error_that_ends_the_run(tmp_path: Path) -> None:
    write(tmp_path, "warned.opt", WARNED)
    done = run("compile", "warned.opt", "-o", "absent/x.o", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("warning[OPT0802]")
    assert done.stderr.endswith("error: cannot write absent/x.o: No such file or directory\n")
    done = run("compile", "warned.opt", "-o", "absent/x.o", "--message-format", "sarif", cwd=tmp_path)
    assert [result["level"] for result in results(done.stdout)] == ["warning", "error"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read input.opt: No such file or directory"),
        (b"\xff", "input.opt is not a text file"),
        (b" " * ((1 << 20) + 1), "cannot read input.opt: larger than 1 MiB"),
    ],
)
def test_errors_without_a_place_take_the_same_form(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        write(tmp_path, "input.opt", content)
    line = json.loads(run("check", "input.opt", "--message-format", "json", cwd=tmp_path).stderr)
    assert (line["message"], line["file"], line["span"]) == (message, "input.opt", None)
    command = run("check", "input.opt", "--message-format", "github", cwd=tmp_path).stderr
    assert command.startswith("::error file=input.opt")
    (result,) = results(run("check", "input.opt", "--message-format", "sarif", cwd=tmp_path).stdout)
    assert result["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "input.opt"}}}]


def test_wrong_usage_stays_text(tmp_path: Path) -> None:
    write(tmp_path, "good.opt", GOOD)
    done = run("check", "good.opt", "--kernel", "6.8", "--message-format", "json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown kernel version")
    done = run("check", "good.opt", "--message-format", "xml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "invalid choice: 'xml'" in done.stderr


def test_warnings_alone_do_not_fail_in_any_form(tmp_path: Path) -> None:
    write(tmp_path, "warned.opt", WARNED)
    for form in ("text", "json", "sarif", "github"):
        assert run("check", "warned.opt", "--message-format", form, cwd=tmp_path).returncode == 0
