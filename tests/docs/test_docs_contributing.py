"""The checklists of docs/contributing.md lead where they say: a copy of the repository gets what their snippets add."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from docs.doc_examples import ROOT

PARTS = ("optdsl", "grammar", "stdlib", "samples", "tests", "docs", "README.md", "pyproject.toml")
TEXT = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"^( *)```(\w+) (\S+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def snippets(title: str) -> list[tuple[str, str, str]]:
    """Language, file and text of the snippets of a chapter, in order."""
    chapter = TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [(match[2], match[3], textwrap.dedent(match[4])) for match in _FENCE.finditer(chapter)]


def apply(folder: Path, language: str, file: str, text: str) -> None:
    """Makes a new file, or adds the lines of a `diff` where the others show."""
    path = folder / file
    lines = text.splitlines(keepends=True)
    if language == "diff":
        assert all(line[0] in " +" for line in lines), f"{file}: {text}"
        shown = "".join(line[1:] for line in lines if line[0] == " ")
        text = "".join(line[1:] for line in lines)
        if shown:
            before = path.read_text(encoding="utf-8")
            assert before.count(shown) == 1, f"{file} should have this once:\n{shown}"
            path.write_text(before.replace(shown, text), encoding="utf-8")
            return
    assert not path.exists(), f"{file} is there already"
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository without what tools leave in it."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def follow(folder: Path, title: str) -> None:
    """Applies the snippets of a chapter; what they make is formatted and has its types."""
    found = snippets(title)
    assert found
    for each in found:
        apply(folder, *each)
    changed = [file for _, file, _ in found if file.endswith(".py")]
    if changed:
        assert python(folder, "-m", "ruff", "check", "--no-cache", *changed).returncode == 0
        assert python(folder, "-m", "ruff", "format", "--no-cache", "--check", *changed).returncode == 0


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy: what is imported there is the copy."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
                          check=False, timeout=110)  # fmt: skip


def optdsl(folder: Path, *arguments: str) -> str:
    """The output of a command of the copy, which succeeds."""
    done = python(folder, "-m", "optdsl", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def run_tests(folder: Path, *arguments: str) -> None:
    """Tests of the copy, of which some must be there and all succeed."""
    done = python(folder, "-m", "pytest", "-q", *arguments)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


PROGRAM = """\
USE
option trial {
    kind experimental 0x5452
    layout { value : u8 }
    receive { BODY }
    MORE
}
"""


def program(folder: Path, body: str = "", more: str = "", use: str = "") -> str:
    """A file of a program in the copy."""
    text = PROGRAM.replace("BODY", body).replace("MORE", more).replace("USE", use)
    (folder / "trial.opt").write_text(text, encoding="utf-8")
    return "trial.opt"


def test_the_copy_is_what_runs(copy: Path) -> None:
    done = python(copy, "-c", "import optdsl; print(optdsl.__file__)")
    assert done.stdout.strip() == str(copy / "optdsl" / "__init__.py")


def test_an_attribute(copy: Path) -> None:
    assert "socket.txrehash" not in optdsl(copy, "targets")
    follow(copy, "Add an attribute")
    assert re.search(r"^ +socket\.txrehash +bool .*6\.1", optdsl(copy, "targets"), re.MULTILINE)
    assert "socket.txrehash" not in optdsl(copy, "targets", "--kernel", "5.10")
    file = program(copy, "socket.txrehash = value > 3")
    assert "Linux 6.1 or newer" in optdsl(copy, "compile", file)
    assert "SO_TXREHASH" in optdsl(copy, "compile", file, "--emit", "c", "-o", "-")
    run_tests(copy, "tests/targets/test_targets_tables.py", "tests/targets/test_targets_uapi.py")


@pytest.mark.kernel
def test_an_attribute_on_the_kernel(copy: Path) -> None:
    follow(copy, "Add an attribute")
    run_tests(copy, "tests/targets/test_targets_kernel.py", "-k", "accept_their_bounds")


def test_an_event(copy: Path) -> None:
    follow(copy, "Add an event")
    assert "peer_closed" in optdsl(copy, "targets")
    # Its operation is that of another event: both handlers are called.
    file = program(copy, more="on peer_closed { socket.mark = 1 }\n    on closed { socket.mark = 2 }")
    optdsl(copy, "compile", file, "-q")
    optdsl(copy, "compile", file, "-q", "--emit", "c")
    text = (copy / "trial.bpf.c").read_text(encoding="utf-8")
    assert text.count("case BPF_SOCK_OPS_STATE_CB:") == 1
    assert "BPF_TCP_CLOSE_WAIT" in text or "args[1] == 8" in text
    called = text.split("case BPF_SOCK_OPS_STATE_CB:")[1].split("break;")[0]
    assert "on_peer_closed(" in called
    assert "on_closed(" in called
    run_tests(copy, "tests/targets/test_targets_tables.py", "tests/docs/test_docs_language_tables.py")


@pytest.mark.kernel
def test_an_event_on_the_kernel(copy: Path) -> None:
    follow(copy, "Add an event")
    run_tests(copy, "tests/targets/test_targets_kernel.py", "-k", "events_fire")


def test_a_diagnostic(copy: Path) -> None:
    follow(copy, "Add a diagnostic")
    (copy / "zero.opt").write_text(
        "option zero { kind experimental 0 layout { a : u8 } receive { socket.mark = a } }\n"
    )
    assert optdsl(copy, "check", "-q", "zero.opt").startswith("warning[OPT0899]: an ExID of zero looks like padding\n")
    assert "what a broken header has" in optdsl(copy, "explain", "899")
    run_tests(copy, "tests/semantics/test_semantics_cases.py", "-k", "targets")
    run_tests(copy, "tests/diagnostics/test_diagnostics_explain.py", "-k", "OPT0899 or every_code")


def test_a_back_end(copy: Path) -> None:
    follow(copy, "Add a back end")
    assert "outline" in optdsl(copy, "compile", "--help")
    assert "outline" in optdsl(copy, "completion", "bash")
    file = program(copy, "socket.mark = value")
    assert (
        optdsl(copy, "compile", file, "--emit", "outline", "-o", "-", "-q") == "trial: kind 253, ExID 0x5452, 5 bytes\n"
    )
    optdsl(copy, "compile", file, "--emit", "outline", "-q")
    assert (copy / "trial.txt").read_text() == "trial: kind 253, ExID 0x5452, 5 bytes\n"


def test_a_module(copy: Path) -> None:
    follow(copy, "Add a module to the standard library")
    file = program(copy, "if socket.peer.port == ports.https { socket.mark = value }", use="use std.ports")
    assert "443" in optdsl(copy, "compile", file, "--emit", "ir", "-o", "-", "-q")
    run_tests(copy, "tests/docs/test_docs_language_tables.py", "-k", "modules")
