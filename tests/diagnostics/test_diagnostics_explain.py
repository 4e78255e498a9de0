"""The pages about diagnostics: one for each code, with examples that do what the page says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from diagnostic_codes import built_codes
from docs.doc_examples import FORMS, ROOT, fences, whole
from optdsl import resources
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics.explain import Page, code_named, every_page, near_code
from optdsl.diagnostics.render import render_all
from optdsl.ir.check import check_program
from optdsl.record import record
from optdsl.semantics.model import CheckedProgram
from optdsl.source import Source
from optdsl.targets import mainline
from optdsl.targets.version import KernelVersion

PAGES = every_page()
WITHOUT_PROGRAM = {"OPT0111", "OPT0901", "OPT0902", "OPT0903"}
"""What no program shows, because there is no text yet or a kernel tells it: their pages show the command's words."""
WITH_PROGRAM = [page for page in PAGES if page.code not in WITHOUT_PROGRAM]
SECTIONS = ("Wrong", "Right")
CONTEXT = next(
    body for _, info, body in fences((ROOT / "docs/language.md").read_text(encoding="utf-8")) if info == "opt context"
)


@record
class Example:
    """The program of a section: its files in order, the modules that it may use, and what it is compiled for."""

    sources: list[Source]
    modules: dict[str, Source]
    options: Options

    def checked(self) -> tuple[CheckedProgram | None, Diagnostics]:
        """The checked program, None if it has errors, and what was found."""
        diagnostics = Diagnostics()
        try:
            return analyse(self.sources, self.options, self._load, diagnostics), diagnostics
        except CompileError as error:
            diagnostics.extend(error.diagnostics)
            return None, diagnostics

    def _load(self, name: str) -> Source | None:
        if name in self.modules:
            return self.modules[name]
        text = resources.module_text(name.removeprefix("std.")) if name.startswith("std.") else None
        return None if text is None else Source(name, text)


def section(page: Page, title: str) -> str:
    """The text below a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page.text, re.MULTILINE | re.DOTALL)
    assert found, f"{page.code} has no section {title}"
    return found[1]


def example(page: Page, title: str) -> Example:
    """The fences of a section: `opt`, `opt FORM`, `opt module NAME`, each also with `kernel VERSION` behind."""
    sources: list[Source] = []
    modules: dict[str, Source] = {}
    options = Options("example")
    for _, info, body in fences(section(page, title)):
        language, *words = info.split()
        assert language == "opt", f"{page.code}: {info}"
        form = words.pop(0) if words and words[0] in FORMS else "file"
        if form == "module":
            name = words.pop(0)
            modules[name] = Source(f"{name.replace('.', '/')}.opt", body)
        else:
            sources.append(Source("example.opt", whole(form, body, CONTEXT)))
        if words:
            word, version = words
            assert word == "kernel"
            options = Options("example", mainline(KernelVersion(*map(int, version.split(".")))))
    return Example(sources, modules, options)


def told(diagnostics: Diagnostics) -> str:
    return render_all(diagnostics.found) or "nothing was found"


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    codes = {page.code for page in PAGES}
    assert built_codes() - codes == set(), "write optdsl/diagnostics/pages/CODE.md"
    assert codes - built_codes() == set(), "no diagnostic has this code"
    assert len(codes) > 90


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.code)
def test_a_page_has_its_form(page: Page) -> None:
    lines = page.text.split("\n")
    assert re.fullmatch(rf"# {page.code}: \S.*[^.\s]", lines[0])
    assert page.title
    assert len(page.title) <= 60
    assert not page.title[0].isupper() or not page.title[1].islower(), "a title is no sentence"
    assert tuple(re.findall(r"^## (.*)$", page.text, re.MULTILINE)) == SECTIONS
    assert not [line for line in lines if len(line) > 80 or line != line.rstrip()]
    assert page.text.endswith("```\n")
    assert "\n\n\n" not in page.text
    before = page.text.partition("\n## ")[0].partition("\n")[2].strip()
    assert 1 <= len(before.split("\n\n")) <= 3, "one or two short paragraphs"
    assert set(re.findall(r"OPT\d{4}", page.text)) <= {each.code for each in PAGES}


def test_titles_tell_pages_apart() -> None:
    assert len({page.title for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize("page", WITH_PROGRAM, ids=lambda page: page.code)
def test_the_wrong_example_is_told_with_the_code_of_the_page_and_nothing_else(page: Page) -> None:
    program, diagnostics = example(page, "Wrong").checked()
    assert [each.code for each in diagnostics.found] == [page.code], told(diagnostics)
    assert (program is None) == diagnostics.has_errors


@pytest.mark.parametrize("page", WITH_PROGRAM, ids=lambda page: page.code)
def test_the_right_example_compiles_in_silence(page: Page) -> None:
    program, diagnostics = example(page, "Right").checked()
    assert program is not None, told(diagnostics)
    assert not diagnostics.found, told(diagnostics)
    assert check_program(lower_program(program)) == []


@pytest.mark.parametrize("page", WITH_PROGRAM, ids=lambda page: page.code)
def test_the_right_example_differs_from_the_wrong_one(page: Page) -> None:
    assert section(page, "Wrong").strip() != section(page, "Right").strip()


@pytest.mark.parametrize("page", [page for page in PAGES if page.code in WITHOUT_PROGRAM], ids=lambda page: page.code)
def test_what_no_program_shows_is_shown_as_a_command_prints_it(page: Page) -> None:
    ((_, info, body),) = fences(section(page, "Wrong"))
    assert info == "text"
    assert re.search(rf"^\$ (sudo )?optdsl .*\nerror\[{page.code}\]: ", body, re.MULTILINE)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """The page of OPT0111 shows commands; they are run, with the output that it shows."""
    page = next(each for each in PAGES if each.code == "OPT0111")
    good = (ROOT / "samples" / "delack.opt").read_text(encoding="utf-8")
    (tmp_path / "delack.opt").write_bytes(good.encode("utf-16-le"))
    for title in SECTIONS:
        ((_, info, body),) = fences(section(page, title))
        assert info == "text"
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
            done = subprocess.run(
                ["bash", "-c", f"optdsl() {{ {_optdsl()} \"$@\"; }}; {command}"],
                cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == (title == "Wrong"), done.stderr
            assert done.stderr.startswith(expected)


def _optdsl() -> str:
    return shlex.join([sys.executable, "-m", "optdsl"])


def test_codes_as_people_type_them() -> None:
    for word in ("OPT0203", "opt0203", "Opt0203", "0203", "203", " 203 "):
        assert code_named(word) == "OPT0203"
    for word in ("", "OPT", "0", "999", "OPT00203", "2O3", "../OPT0203", "OPT0203.md", "²", "-203"):
        assert code_named(word) is None


def test_codes_that_are_nearly_right() -> None:
    assert near_code("2O3") == near_code("OTP0203") == near_code("00203") == "OPT0203"
    assert near_code("0223") == "OPT0203"
    assert near_code("foo") is None
    assert near_code("9999") is None
    assert near_code("") is None
