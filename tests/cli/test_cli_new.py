"""`optdsl new`: a starter that compiles as it is, under a name that will do, and never over another file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cli_run import run, write

from optdsl.backends.c import emit_c
from optdsl.backends.llvm import emit_object
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import Diagnostics
from optdsl.semantics.identifiers import C_WORDS
from optdsl.semantics.scope import RESERVED
from optdsl.source import Source
from optdsl.starter import free_exid, name_fault, starter, valid_spelling
from optdsl.targets.registry import EXIDS_16, EXIDS_32, exid_owner

# Names of everything that the starter declares, and of what it uses.
_OF_THE_STARTER = [
    "version",
    "longest",
    "wanted",
    "unknown_version",
    "ack",
    "data",
    "experimental",
    "acked",
    "duration",
]
_NAMES = [
    "my_option",
    "x",
    "_",
    "_x",
    "Option",
    "en_option",
    "e_n",
    "a" * 60,
    "u8",
    "kind_",
    "my_file",
    "NAME",
    "x_state",
    *_OF_THE_STARTER,
]


@pytest.mark.parametrize("name", [name for name in _NAMES if name != "_"])
def test_the_starter_compiles_without_warnings(name: str) -> None:
    diagnostics = Diagnostics()
    checked = analyse([Source("x.opt", starter(name, "x.opt"))], Options(), lambda _: None, diagnostics)
    assert diagnostics.found == []
    (option,) = checked.options
    assert option.name == name
    assert option.params
    assert option.sends
    assert option.receives
    program = lower_program(checked)
    assert emit_c(program)
    assert emit_object(program).startswith(b"\x7fELF")


def test_the_identifier_is_made_of_the_name_and_is_not_assigned() -> None:
    assert free_exid("my_option") == int.from_bytes(b"MO", "big")
    assert free_exid("timeout") == int.from_bytes(b"TI", "big")
    assert free_exid("en") == int.from_bytes(b"en", "big")  # EN is TCP-ENO's
    assert exid_owner(int.from_bytes(b"EN", "big"), 2) is not None
    taken = {*EXIDS_16, *(exid >> 16 for exid in EXIDS_32)}
    assert not taken & {free_exid(first + second) for first in "aAeEsSuU_" for second in "aAnNcC09_"}


@pytest.mark.parametrize(
    ("name", "code", "spelling"),
    [
        ("my-option", "", "my_option"),
        ("my option", "", "my_option"),
        ("dir/fast.opt", "", "fast"),
        ("9lives", "", "my_9lives"),
        ("naïve", "", "naive"),
        ("", "", "my_option"),
        ("_", "", "my_option"),
        ("--", "", "my_option"),
        ("a\nb", "", "a_b"),
        ("日本", "", "my_option"),
        ("option", "OPT0311", "my_option"),
        ("int", "OPT0315", "my_int"),
        ("sockets", "OPT0316", "my_sockets"),
        ("on_write", "OPT0316", "my_on_write"),
        ("bpf_thing", "OPT0316", "my_bpf_thing"),
        ("__x", "OPT0316", "x"),
    ],
)
def test_names_that_will_not_do(name: str, code: str, spelling: str) -> None:
    fault = name_fault(name)
    assert fault is not None
    assert fault.code == code
    assert fault.suggestion is not None
    assert fault.suggestion.replacement == spelling
    assert name_fault(spelling) is None


def test_what_is_suggested_will_always_do() -> None:
    for name in (*C_WORDS, *RESERVED, "events", "settings", "license", "if-else", "-", "my_option", "é.opt", ".opt"):
        assert name_fault(valid_spelling(name)) is None


def test_the_command_writes_the_file_and_says_how_to_go_on(tmp_path: Path) -> None:
    done = run("new", "my_option", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["my_option.opt"]
    text = (tmp_path / "my_option.opt").read_text()
    assert text == starter("my_option", "my_option.opt")
    assert stat.S_IMODE((tmp_path / "my_option.opt").stat().st_mode) & 0o444
    for command in ("check", "compile"):
        line = f"optdsl {command} my_option.opt"
        assert line in done.stdout
        assert line in text
        assert run(*line.split()[1:], cwd=tmp_path).returncode == 0
    assert "optdsl demo my_option.opt" in done.stdout


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path, "mine.opt", "precious")
    (tmp_path / "dangling.opt").symlink_to("nowhere")
    (tmp_path / "folder.opt").mkdir()
    for name in ("mine", "dangling", "folder"):
        done = run("new", name, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {name}.opt is there already\n")
    assert (tmp_path / "mine.opt").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling.opt", "folder.opt", "mine.opt"]


def test_other_places_and_the_standard_output(tmp_path: Path) -> None:
    assert run("new", "fast", "-o", "two words.opt", cwd=tmp_path).returncode == 0
    assert "optdsl check 'two words.opt'" in (tmp_path / "two words.opt").read_text()
    piped = run("new", "fast", "-o", "-", cwd=tmp_path)
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, starter("fast", "fast.opt"), "")
    refused = run("new", "fast", "-o", f"absent{os.sep}fast.opt", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (
        1, "error: cannot write absent/fast.opt: No such file or directory\n",
    )  # fmt: skip
    assert run("new", "f" * 300, cwd=tmp_path).stderr.endswith("File name too long\n")
    assert [path.name for path in tmp_path.iterdir()] == ["two words.opt"]


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from optdsl.cli.errors import InputError
    from optdsl.cli.output import write_new_file

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.chdir(tmp_path)
    write_new_file("new.opt", b"text")
    with pytest.raises(InputError, match="is there already"):
        write_new_file("new.opt", b"other")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("new.opt", b"text")]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["my-option"], 2, "error: `my-option` cannot name an option\n --> command line:1:12\n"),
        (["my-option"], 2, "1 | optdsl new my_option\n"),
        (["for"], 2, "error[OPT0311]: `for` is a word of the language"),
        (["x", "--kind", "8"], 1, "error[OPT0803]: kind 8 (Timestamps) belongs to the kernel's own TCP\n  --> x.opt:"),
        (["x", "--kind", "256"], 1, "a kind is a number from 0 to 255"),
        (["x", "--kind", "253"], 1, "kind 253 needs an ExID"),
        (["x", "--exid", "0x100000000"], 1, "an ExID has 16 or 32 bits"),
        (["x", "--exid", "no"], 2, "invalid number value: 'no'"),
        (["x", "--exid", "08"], 2, "invalid number value: '08'"),
        (["x", "--kind=-1"], 2, "invalid number value: '-1'"),
        (["x", "--kind", "200", "--exid", "1"], 2, "not allowed with argument --kind"),
        ([], 2, "the following arguments are required: NAME"),
    ],
)
def test_what_is_refused(arguments: list[str], status: int, told: str, tmp_path: Path) -> None:
    done = run("new", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_kinds_and_identifiers(tmp_path: Path) -> None:
    for arguments, kind in (
        (["--kind", "200"], "kind 200"),
        (["--kind", "0xC8"], "kind 200"),
        (["--exid", "0xABCD"], "kind experimental 0xABCD"),
        (["--exid", "0xABCDEF"], "kind experimental 0x00ABCDEF"),
    ):
        done = run("new", "x", *arguments, "-o", "-", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"    {kind}\n" in done.stdout
    warned = run("new", "x", "--exid", "0x454E", cwd=tmp_path)
    assert warned.returncode == 0
    assert warned.stderr.startswith("warning[OPT0802]: ExID 0x454E is assigned to Encryption Negotiation")
    assert (tmp_path / "x.opt").exists()
