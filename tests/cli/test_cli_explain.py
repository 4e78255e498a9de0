"""`optdsl explain`: pages by code, with colours on a terminal, and the list of all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_run import BAD, on_terminal, run, write

from optdsl.diagnostics.explain import every_page, page
from optdsl.resources import page_codes, page_text

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("word", ["OPT0203", "opt0203", "0203", "203"])
def test_a_page(word: str, tmp_path: Path) -> None:
    done = run("explain", word, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == page_text("OPT0203")


def test_several_pages_each_once(tmp_path: Path) -> None:
    done = run("explain", "203", "OPT0509", "0203", cwd=tmp_path)
    assert done.stdout == page_text("OPT0203") + "\n" + page_text("OPT0509")


@pytest.mark.parametrize("arguments", [[], ["--list"]])
def test_the_list_of_all(arguments: list[str], tmp_path: Path) -> None:
    done = run("explain", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{each.code}  {each.title}" for each in every_page()]
    assert "OPT0203  value may not fit" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["OPT0299"], "error: no diagnostic has the code `OPT0299`\n"),
        (["203", "OPT0293"], "help: did you mean `optdsl explain OPT0203`?\n"),
        (["2O3"], "help: did you mean `optdsl explain OPT0203`?\n"),
        (["E0308"], "help: did you mean `optdsl explain OPT0308`?\n"),
        (["overflow"], "help: `optdsl explain` lists all codes\n"),
        (["../pages/OPT0203"], "error: no diagnostic has the code `../pages/OPT0203`\n"),
        (["--list", "203"], "error: `--list` lists all codes and takes none\n"),
    ],
)
def test_what_is_no_code(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = run("explain", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_what_a_failed_check_points_at_can_be_typed(tmp_path: Path) -> None:
    failed = run("check", write(tmp_path, "bad.opt", BAD), cwd=tmp_path)
    word, _, command = failed.stderr.splitlines()[-1].partition(": optdsl ")
    assert word == "explain"
    assert run(*command.split(), cwd=tmp_path).stdout == page_text("OPT0203")


def test_colours_on_a_terminal(tmp_path: Path) -> None:
    done = on_terminal("explain", "OPT0203", cwd=tmp_path)
    assert done.returncode == 0
    written = done.stdout
    assert written.startswith("\x1b[1mOPT0203: value may not fit\x1b[0m\n\n")
    assert "\x1b[1;31mWrong\x1b[0m\n\n    \x1b[1mlayout\x1b[0m {\n" in written
    assert "```" not in written
    assert max(map(len, _COLORS.sub("", written).splitlines())) <= 80


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(environment: dict[str, str], tmp_path: Path) -> None:
    done = on_terminal("explain", "OPT0203", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout) == (0, page_text("OPT0203"))


def test_no_library_for_colours_where_there_are_none(tmp_path: Path) -> None:
    done = run("explain", "OPT0203", cwd=tmp_path, python=("-X", "importtime"))
    modules = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "optdsl.diagnostics.explain" in modules
    assert not {each.split(".")[0] for each in modules} & {"rich", "lark", "llvmlite"}


@pytest.mark.parametrize("code", page_codes())
def test_colours_lose_nothing(code: str) -> None:
    """The words of the colored page are those of the plain one, and examples keep their lines."""
    from optdsl.cli.markdown import colored

    text = page(code).text
    shown = _COLORS.sub("", colored(text, 100))
    bare = re.sub(r"^```.*$|^#+ ", "", text, flags=re.MULTILINE)
    assert re.sub(r"[\s`]+", "", shown) == re.sub(r"[\s`]+", "", bare)
    for example in re.findall(r"^```.*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        assert "".join(f"    {line}\n" if line else "\n" for line in example.splitlines()) in shown
    assert all(line == line.rstrip() for line in shown.splitlines())
