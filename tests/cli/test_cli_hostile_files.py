"""Whatever stands in a file or happens to it: a diagnostic and status 1, soon, no traceback, no half of an output."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_run import BAD, GOOD, write
from hostile_texts import MEGABYTE, TEXTS, option

from optdsl.cli.errors import InputError
from optdsl.cli.main import main
from optdsl.cli.sources import MOST_BYTES, module_loader

CPU_SECONDS = 5


def _limited() -> None:
    """Seconds of the processor, not of a clock, so that a busy machine makes no difference."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def run(
    *arguments: str, cwd: Path, given: bytes = b"", before: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """One command that has to end soon."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "optdsl", *arguments], cwd=cwd, input=given, capture_output=True, check=False,
        timeout=100, preexec_fn=_limited,
    )  # fmt: skip
    told = done.stderr.decode()
    assert "Traceback" not in told
    assert "internal error" not in told
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(errors="replace"), told)


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command with redirections; `optdsl` in it is this one."""
    text = command.replace("optdsl", f"{sys.executable} -m optdsl")
    done = subprocess.run(["bash", "-c", text], cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------------------------ what is in it


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_no_person_writes(name: str, tmp_path: Path) -> None:
    text, code = TEXTS[name]
    done = run("compile", write(tmp_path, "big.opt", text), "-q", cwd=tmp_path)
    if code:
        assert (done.returncode, done.stdout) == (1, "")
        assert f"error[{code}]: " in done.stderr
        assert names(tmp_path) == ["big.opt"]
    else:
        assert done.returncode in (0, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"// x\n" * (2 * MEGABYTE), "error: cannot read big.opt: larger than 1 MiB\n"),
        (b"const a = 1\n" * MEGABYTE, "error: cannot read big.opt: larger than 1 MiB\n"),
        (b"\0" * MOST_BYTES, "error[OPT0111]: big.opt is not a text file\n  = note: byte 1 is NUL\n"),
        (b"\xff\xfe" * 1000, "error[OPT0111]: big.opt is not a text file\n  = note: byte 1 is not UTF-8\n"),
        (option().encode("utf-16"), "error[OPT0111]: big.opt is not a text file\n"),
        (b"\xed\xa0\x80", "byte 1 is not UTF-8"),  # half of a surrogate pair
        (option().encode() + b"\xe2\x82", "is not UTF-8"),  # cut within a character
        (b"\xef\xbb\xbf", "error[OPT0109]: nothing is declared here"),
        (b" \t\r\n", "error[OPT0109]: nothing is declared here"),
        ("option \u202eneve {".encode(), "error[OPT0103]: no token starts with '\\u202e'"),
        (b"option \x1b[2J {", "error[OPT0103]: no token starts with '\\x1b'"),
    ],
)
def test_bytes_that_are_no_program(tmp_path: Path, content: bytes, message: str) -> None:
    done = run("compile", write(tmp_path, "big.opt", content), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "\x1b" not in done.stderr
    assert names(tmp_path) == ["big.opt"]


# ------------------------------------------------------------------------------------------------- the file itself


@pytest.fixture
def without_override() -> tuple[str, ...]:
    """What goes before a command that has to obey permissions; root does not."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv to give that up")
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


def test_files_that_may_not_be_read(tmp_path: Path, without_override: tuple[str, ...]) -> None:
    (tmp_path / write(tmp_path, "secret.opt", GOOD)).chmod(0)
    done = run("check", "secret.opt", cwd=tmp_path, before=without_override)
    assert (done.returncode, done.stderr) == (1, "error: cannot read secret.opt: Permission denied\n")
    write(tmp_path, "main.opt", f"use secret\n{GOOD}")
    done = run("check", "main.opt", cwd=tmp_path, before=without_override)
    assert (done.returncode, done.stderr) == (1, "error: cannot read secret.opt: Permission denied\n")
    write(tmp_path, "closed/inner.opt", "const a = 1\n")
    write(tmp_path, "other.opt", f"use closed.inner\n{GOOD}")
    (tmp_path / "closed").chmod(0)
    done = run("check", "other.opt", cwd=tmp_path, before=without_override)
    (tmp_path / "closed").chmod(0o700)
    assert (done.returncode, done.stderr) == (1, "error: cannot read closed/inner.opt: Permission denied\n")


def test_a_folder_that_may_not_be_written(tmp_path: Path, without_override: tuple[str, ...]) -> None:
    write(tmp_path, "good.opt", GOOD)
    (tmp_path / "locked").mkdir(mode=0o555)
    done = run("compile", "good.opt", "-o", "locked/out.o", cwd=tmp_path, before=without_override)
    assert (done.returncode, done.stderr) == (1, "error: cannot write locked/out.o: Permission denied\n")
    assert names(tmp_path / "locked") == []


def test_a_file_that_vanishes_between_the_look_and_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "limits.opt", "const most = 64\n")
    load = module_loader(tmp_path)
    found = load("limits")
    assert found is not None
    look = Path.stat

    def look_and_remove(path: Path, **options: bool) -> os.stat_result:
        result = look(path, **options)
        path.unlink()
        return result

    monkeypatch.setattr(Path, "stat", look_and_remove)
    with pytest.raises(InputError, match=r"cannot read .*limits.opt: No such file or directory"):
        load("limits")


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("folder", "error: cannot read folder.opt: Is a directory\n"),
        ("absent", "error[OPT0304]: there is no module `absent`\n"),
        ("dangling", "error[OPT0304]: there is no module `dangling`\n"),
        ("plain.inner", "error[OPT0304]: there is no module `plain.inner`\n"),
        ("circle", "error: cannot read circle.opt: Too many levels of symbolic links\n"),
        ("std.congestoin", "error[OPT0304]: there is no module `std.congestoin`\n"),
        ("std", "error[OPT0304]: there is no module `std`\n"),
        ("a" * 300, ": File name too long\n"),
        ("odd", "error[OPT0111]: odd.opt is not a text file\n"),
        ("main", "error[OPT0309]: a module cannot declare an option\n"),
        ("one", "error[OPT0305]: modules use each other in a circle\n"),
        ("itself", "error[OPT0305]: modules use each other in a circle\n"),
    ],
)
def test_modules_that_cannot_be_had(module: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "folder.opt").mkdir()
    (tmp_path / "dangling.opt").symlink_to("nowhere")
    (tmp_path / "circle.opt").symlink_to("circle.opt")
    files: dict[str, str | bytes] = {
        "plain": "", "one.opt": "use two\nconst a = 1\n", "two.opt": "use one\nconst b = 1\n",
        "itself.opt": "use itself\nconst a = 1\n", "odd.opt": b"\xff", "main.opt": f"use {module}\n{GOOD}",
    }  # fmt: skip
    for name, text in files.items():
        write(tmp_path, name, text)
    before = names(tmp_path)
    done = run("compile", "main.opt", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert names(tmp_path) == before


# ----------------------------------------------------------------------------------------------- standard streams


def test_a_program_from_the_standard_input(tmp_path: Path) -> None:
    done = run("check", "-", cwd=tmp_path, given=GOOD.encode())
    assert (done.returncode, done.stdout) == (0, "<stdin>: no errors (small; Linux 5.10 or newer)\n")
    done = run("check", "-", cwd=tmp_path, given=BAD.encode())
    assert done.stderr.startswith("error[OPT0203]: value may not fit\n --> <stdin>:6:27\n")
    done = run("compile", "-", "-q", cwd=tmp_path, given=GOOD.encode())
    assert (done.returncode, names(tmp_path)) == (0, ["option.bpf.o"])
    listing = run("inspect", "-", cwd=tmp_path, given=(tmp_path / "option.bpf.o").read_bytes())
    assert "; <stdin>:6  send on ack { value = wanted }" in listing.stdout


def test_modules_of_the_standard_input_stand_in_the_current_folder(tmp_path: Path) -> None:
    write(tmp_path, "limits.opt", "const most = 64\n")
    text = "use limits\n" + GOOD.replace("= 2 in 1..=64", "= 2 in 1..=limits.most")
    assert run("check", "-", cwd=tmp_path, given=text.encode()).returncode == 0


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        ("optdsl check - <&-", 1, "error: cannot read <stdin>: it is closed\n"),
        ("optdsl check - < /dev/null", 1, "error[OPT0109]: nothing is declared here\n --> <stdin>:1:1\n"),
        ("optdsl check - < /dev/zero", 1, "error: cannot read <stdin>: larger than 1 MiB\n"),
        ("optdsl check - - < good.opt", 2, "error: `-` can be read once only\n"),
        ("optdsl check good.opt > /dev/full", 1, "cannot write to the standard output: No space left on device\n"),
        ("optdsl compile good.opt -q -o - > /dev/full", 1, "standard output: No space left on device\n"),
        ("optdsl check bad.opt --message-format sarif > /dev/full", 1, "No space left on device\n"),
        ("optdsl check bad.opt 2> /dev/full", 1, ""),
        ("optdsl check bad.opt 2>&-", 1, ""),
        ("optdsl check bad.opt >&- 2>&- <&-", 1, ""),
        ("optdsl compile good.opt -q -o out.o >&- 2>&- <&-", 0, ""),
        ("optdsl compile good.opt -q -o out.o <&- 2>&-", 0, ""),
        ("optdsl compile good.opt -q -o - >&-", 0, ""),
    ],
)
def test_standard_streams_that_are_closed_or_full(command: str, status: int, told: str, tmp_path: Path) -> None:
    write(tmp_path, "good.opt", GOOD)
    write(tmp_path, "bad.opt", BAD)
    done = shell(command, tmp_path)
    assert done.returncode == status, done.stderr
    assert (told in done.stderr) if told else (done.stderr == "")
    assert set(names(tmp_path)) <= {"good.opt", "bad.opt", "out.o"}
    assert (tmp_path / "out.o").exists() == ("out.o" in command)


def test_a_closed_stderr_does_not_get_into_the_object(tmp_path: Path) -> None:
    write(tmp_path, "good.opt", GOOD)
    shell("optdsl compile good.opt -q -o expected.o", tmp_path)
    shell("optdsl compile good.opt -q -o out.o >&- 2>&- <&-", tmp_path)
    assert (tmp_path / "out.o").read_bytes() == (tmp_path / "expected.o").read_bytes()


def test_nobody_reads_the_diagnostics(tmp_path: Path) -> None:
    write(tmp_path, "bad.opt", GOOD.replace("{ value = wanted }", "{ " + "x = 1 " * 2000 + "}"))
    done = shell("optdsl check bad.opt 2> >(exec true); sleep 0.1; echo $?", tmp_path)
    assert done.stderr == ""


# ---------------------------------------------------------------------------------------------------- outputs


@pytest.mark.kernel
def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, "good.opt", GOOD)
    (tmp_path / "disk").mkdir()
    command = (
        "mount -t tmpfs -o size=4k none disk && "
        f"{{ {sys.executable} -m optdsl compile good.opt -q -o disk/out.o; echo $?; ls -A disk; }}"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "1\n"
    assert done.stderr == "error: cannot write disk/out.o: No space left on device\n"


def test_errors_of_writing_take_the_form_that_was_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "good.opt", GOOD)
    done = run("compile", "good.opt", "-o", "absent/out.o", "--message-format", "json", cwd=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stderr)["message"] == "cannot write absent/out.o: No such file or directory"


# -------------------------------------------------------------------------------------------- the code generator


def _killed(signal_number: int) -> Callable[..., bytes]:
    def job(*_: object) -> bytes:
        os.kill(os.getpid(), signal_number)
        return b"never"

    return job


def _exits(*_: object) -> bytes:
    os._exit(1)


def _complains(*_: object) -> bytes:
    os.write(2, b"LLVM ERROR: Branch target out of insn range\n")
    os.abort()


def _starves(*_: object) -> bytes:
    raise MemoryError


@pytest.mark.parametrize(
    ("job", "status", "told"),
    [
        (_killed(signal.SIGKILL), 1, "error: code generation was killed\n  = help: "),
        (_starves, 1, "error: not enough memory for code generation\n  = help: "),
        (_complains, 1, "error: no kernel would accept this program: Branch target out of insn range\n"),
        (_killed(signal.SIGSEGV), 70, "LLVM was killed by signal 11\n"),
        (_exits, 70, "LLVM ended with status 1\n"),
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_code_generator_that_dies(
    job: Callable[..., bytes], status: int, told: str, form: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optdsl.backends.llvm.driver._compile", job)
    assert main(["compile", write(tmp_path, "good.opt", GOOD), "--message-format", form]) == status
    heard = capsys.readouterr()
    if form == "json" and status == 1:
        assert json.loads(heard.err)["message"] in told
    else:
        assert told in heard.err
    assert heard.out == ""
    assert names(tmp_path) == ["good.opt"]


@pytest.mark.parametrize("megabytes", [60, 100, 150, 200, 250, 300])
def test_little_memory(megabytes: int, tmp_path: Path) -> None:
    write(tmp_path, "good.opt", GOOD)
    most = megabytes << 20
    done = subprocess.run(
        [sys.executable, "-m", "optdsl", "compile", "good.opt", "-q"], cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=60, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == ("good.bpf.o" in names(tmp_path))
    assert done.returncode in (0, 1, 70)
    assert set(names(tmp_path)) <= {"good.opt", "good.bpf.o"}


def test_an_interrupt_during_code_generation_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, "good.opt", GOOD)
    program = (
        "import time, pathlib\nfrom optdsl.backends.llvm import driver\n"
        "def job(*_):\n    pathlib.Path('begun').touch()\n    time.sleep(60)\n"
        "driver._compile = job\n"
        "from optdsl.cli.main import main\nraise SystemExit(main(['compile', 'good.opt']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)  # to the parent alone: the child must not outlive it
        assert process.wait(timeout=20) == 130
        assert process.communicate() == (b"", b"")
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    assert names(tmp_path) == ["begun", "good.opt"]
