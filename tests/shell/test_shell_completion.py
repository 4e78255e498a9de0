"""What bash, zsh and fish offer with the scripts of `optdsl completion`."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from shell_run import environment, folder_with_files, need, optdsl, script, terminal

from optdsl.cli.command_line import command_line
from optdsl.resources import page_codes
from optdsl.targets.version import KNOWN_KERNELS

LINE = command_line()
COMMANDS = {command.name for command in LINE.commands}
CODES = {code for code in page_codes() if code.startswith("OPT020")}
OPT_FILES = {"one.opt", "two words.opt", "sub", "bin"}


def options(name: str) -> set[str]:
    """All spellings of the options of a command; those of the program itself for ''."""
    command = next(each for each in (LINE.whole, *LINE.commands) if each.name == name)
    return {spelling for option in command.options for spelling in option.spellings}


EMISSIONS = {"object", "c", "ir", "llvm", "asm", "json"}
CASES = [
    ("optdsl ", COMMANDS),
    ("optdsl comp", {"compile", "completion"}),
    ("optdsl --", {"--help", "--version"}),
    ("optdsl compile --no-l", {"--no-lines"}),
    ("optdsl compile --emit ", EMISSIONS),
    ("optdsl compile one.opt --emit l", {"llvm"}),
    ("optdsl check --kernel ", {str(version) for version in KNOWN_KERNELS}),
    ("optdsl compile ", OPT_FILES),
    ("optdsl demo o", {"one.opt"}),
    ("optdsl check --kernel 6.1 one.opt t", {"two words.opt"}),
    ("optdsl check sub/", {"sub/deep.opt"}),
    ("optdsl inspect ", {"one.bpf.o", "sub", "bin"}),
    ("optdsl verify ", OPT_FILES | {"one.bpf.o"}),
    ("optdsl compile -o n", {"notes.txt"}),
    ("optdsl help com", {"compile", "completion"}),
    ("optdsl help check", {"check"}),
    ("optdsl completion ", {"bash", "zsh", "fish"}),
    ("optdsl explain OPT020", CODES),
    ("optdsl explain OPT0101 OPT020", CODES),
    ("optdsl new ", set[str]()),
    ("optdsl new name --kind ", set[str]()),
    ("optdsl nonsense ", set[str]()),
]  # fmt: skip


def bash_offers(line: str, folder: Path) -> set[str]:
    """What the function puts into COMPREPLY. Words are cut as readline does, at `=` too."""
    words = [*line.replace("=", " = ").split(), ""] if line.endswith((" ", "=")) else line.replace("=", " = ").split()
    current = words[-1]
    if line.endswith("="):
        words.pop()  # the cursor is in the word `=` itself
    array = " ".join(map(shlex.quote, words))
    call = (
        f"source {shlex.quote(str(script('bash', folder)))}; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; "
        f"_optdsl optdsl {shlex.quote(current)} {shlex.quote(words[-2])}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", call], cwd=folder, env=environment(folder), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return set(done.stdout.splitlines()) - {""}


def fish_offers(line: str, folder: Path) -> set[str]:
    """What `complete -C` lists, without the descriptions."""
    call = f"source {shlex.quote(str(script('fish', folder)))}; complete -C {shlex.quote(line)}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", call], cwd=folder, env=environment(folder), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return {each.split("\t")[0].removesuffix("/") for each in done.stdout.splitlines()}


ZSH_SETUP = """\
unsetopt beep
fpath=({folder}/bin $fpath)
autoload -Uz compinit && compinit -u -D
{load}
# Notes the matches that completion functions add, besides adding them.
compadd() {{
    local -a hits
    if [[ ${{@[1,(i)(-|--)]}} != *-(O|A|D)\\ * ]]; then
        builtin compadd -A hits "$@"
        (( $#hits )) && print -rl -- $hits >> {folder}/bin/hits
    fi
    builtin compadd "$@"
}}
complete-and-tell() {{ zle complete-word; print -n FINISHED }}
zle -N complete-and-tell
bindkey '^I' complete-and-tell
PS1=READY
"""


def zsh_offers(line: str, folder: Path, *, autoloaded: bool = False) -> set[str]:
    """What a zsh on a terminal adds as matches when the line is typed and Tab is pressed."""
    made, hits, setup = script("zsh", folder), folder / "bin" / "hits", folder / "bin" / "setup.zsh"
    hits.write_text("")
    if autoloaded:
        made.rename(folder / "bin" / "_optdsl")
    load = "" if autoloaded else f"source {shlex.quote(str(made))}"
    setup.write_text(ZSH_SETUP.format(folder=folder, load=load))
    with terminal("zsh", "-f", "-i", cwd=folder) as shell:
        shell.until("> ")
        shell.type(f"source {shlex.quote(str(setup))}\r")
        shell.until("READY")
        shell.type(f"{line}\t")
        shell.until("FINISHED")
    return {each.replace("\\", "") for each in hits.read_text().splitlines()}


@pytest.mark.parametrize(("line", "wanted"), CASES)
def test_bash(line: str, wanted: set[str], tmp_path: Path) -> None:
    folder = folder_with_files(tmp_path)
    assert bash_offers(line, folder) == wanted
    assert not (folder / "called").exists()


@pytest.mark.parametrize(("line", "wanted"), [
    ("optdsl compile --emit=", EMISSIONS),
    ("optdsl compile --emit=l", {"llvm"}),
    ("optdsl compile --emit=c o", {"one.opt"}),
    ("optdsl inspect one.bpf.o ", set()),
    ("optdsl param ", OPT_FILES),
    ("optdsl param --kernel 6.1 one.opt ", OPT_FILES | {"one.bpf.o", "notes.txt"}),
    *((f"optdsl {name} -", options(name)) for name in sorted(COMMANDS)),
    *((f"optdsl {name} ", options(name)) for name in ("targets", "doctor")),
])  # fmt: skip
def test_bash_knows_all_options(line: str, wanted: set[str], tmp_path: Path) -> None:
    assert bash_offers(line, folder_with_files(tmp_path)) == wanted


def test_bash_on_a_terminal(tmp_path: Path) -> None:
    folder = folder_with_files(tmp_path)
    with terminal("bash", "--norc", "--noprofile", "-i", cwd=folder) as shell:
        shell.until("> ")
        shell.type(f"source {script('bash', folder)}\r")
        shell.until("> ")
        shell.type("optdsl compi\t")
        shell.until("compile ")
        for begun, finished in (
            ("tw\t", "two\\ words.opt "), ('"tw\t', '"two words.opt" '), ("--emit=l\t", "--emit=llvm "),
            ("su\t", "sub/"), ("de\t", "deep.opt "),
        ):  # fmt: skip
            shell.type(begun)
            shell.until(finished)
    assert not (folder / "called").exists()


@pytest.mark.parametrize(("line", "wanted"), [
    *CASES,
    ("optdsl compile --emit=l", {"--emit=llvm"}),
    *((f"optdsl {name} -", options(name)) for name in sorted(COMMANDS)),
])  # fmt: skip
def test_fish(line: str, wanted: set[str], tmp_path: Path) -> None:
    need("fish")
    folder = folder_with_files(tmp_path)
    assert fish_offers(line, folder) == wanted
    assert not (folder / "called").exists()


@pytest.mark.parametrize(("line", "wanted"), [
    *CASES,
    ("optdsl compile --emit=l", {"llvm"}),
    ("optdsl inspect one.bpf.o ", options("inspect")),
    ("optdsl check -", options("check")),
    ("optdsl new -", options("new")),
])  # fmt: skip
def test_zsh(line: str, wanted: set[str], tmp_path: Path) -> None:
    need("zsh")
    folder = folder_with_files(tmp_path)
    assert zsh_offers(line, folder) == {each.removeprefix("sub/") for each in wanted}  # zsh lists names in folders
    assert not (folder / "called").exists()


def test_zsh_finds_the_function_in_its_path(tmp_path: Path) -> None:
    need("zsh")
    assert zsh_offers("optdsl inspect o", folder_with_files(tmp_path), autoloaded=True) == {"one.bpf.o"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script(shell: str, tmp_path: Path) -> None:
    done = optdsl("completion", shell, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == script(shell, folder_with_files(tmp_path)).read_text()
    assert f"optdsl completion {shell}" in done.stdout.split("\n\n")[0]
    need(shell)
    subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True, cwd=tmp_path)
