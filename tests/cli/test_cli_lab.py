"""`optdsl lab`: what it asks for, and what it says when the kernel or the command does not come to a good end."""

from __future__ import annotations

import contextlib
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from cli_run import run

from optdsl.cli.lab import ACTIONS, KERNELS, _write_log
from optdsl.cli.lab_progress import ended_by_signals, told_progress
from optdsl.lab.kernels.build import Progress
from optdsl.lab.kernels.source import cache_folder

lab = pytest.mark.lab


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: ACTION"),
        (["biuld"], "invalid choice: 'biuld' (choose from 'build', 'run', 'shell', 'hosts')"),
        (["run"], "error: a command to run is missing\n  = help: `optdsl lab shell` gives a shell\n"),
        (["run", "--"], "error: a command to run is missing\n"),
        (["run", "--tmie", "x"], "`optdsl lab run` has no option `--tmie`\n  = help: did you mean `--time`?\n"),
        (["run", "--time", "slow", "true"], "invalid choice: 'slow' (choose from 'simulated', 'real')"),
        (["run", "--memory", "3x", "true"], "argument --memory: `3x` is not a size such as 512M or 2G"),
        (["run", "--memory", "1M", "true"], "argument --memory: 1M is not within 64M..=64G"),
        (["run", "--kernel", "bsd", "true"], "invalid choice: 'bsd'"),
        (["run", "--patches", "--vanilla", "true"], "argument --vanilla: not allowed with argument --patches"),
        (["run", "--timeout", "-1", "true"], "argument --timeout: `-1` is not a time above 0 in seconds"),
        (["run", "--log", "", "true"], "argument --log: the name of a file is missing"),
        (["run", "--results", "", "true"], "argument --results: the name of a folder is missing"),
        (["run", "--log", ".", "true"], "argument --log: `.` is a folder"),
        (["build", "--jobs", "0"], "argument --jobs: `0` is not a number of at least 1"),
        (["shell"], "error: a shell needs a terminal\n  = help: `optdsl lab run COMMAND...`"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = run("lab", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


@pytest.mark.parametrize("action", list(ACTIONS))
def test_help_of_every_action_fits_into_a_terminal(action: str, tmp_path: Path) -> None:
    done = run("lab", action, "--help", cwd=tmp_path, env={"COLUMNS": "80"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: optdsl lab {action} ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_kernels_of_the_command_line_are_those_there_are() -> None:
    from optdsl.lab.kernels.debian import KERNELS as DEBIAN

    assert {*KERNELS} == {"built", *DEBIAN}


def test_progress_is_told_in_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with told_progress() as tell:
        tell(Progress("unpacking the source"))
        for hundredth in range(100):
            tell(Progress("compiling", hundredth / 100))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(" s  unpacking the source")
    assert [line.split("  ")[-1] for line in lines[1:]] == [f"compiling ({ten} %)" for ten in range(0, 100, 10)]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@lab
@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        ("optdsl lab run -i cat <&-", 1, "error: cannot read <stdin>: it is closed\n"),
        ("optdsl lab run -i cat </proc/self/mem", 1, "error: cannot read <stdin>: Input/output error\n"),
        ("optdsl lab shell <&-", 2, "error: a shell needs a terminal\n"),
        ("rmdir $PWD; optdsl lab run true", 1, "error: the current folder is gone: No such file or directory\n"),
        ("optdsl lab run echo x >/dev/full", 1, "error: cannot write to the standard output: No space left"),
        ("ulimit -n 400; optdsl lab run true", 1, "the limit of open files is 400\n  = help: ulimit -n 1024\n"),
        ("HOME=${PWD%/*} XDG_CACHE_HOME=relative optdsl lab run echo x", 0, "x\n"),
    ],
)
def test_what_is_no_defect_is_told_as_such(command: str, status: int, told: str, tmp_path: Path) -> None:
    start = f"{sys.executable} -c 'from optdsl.cli.start import start; start()'"
    script = f'optdsl() {{ PYTHONPATH={Path(__file__).parents[2]} {start} "$@"; }}; {command}'
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / ".cache").mkdir()  # of a user whose home is `tmp_path`
    (tmp_path / ".cache" / "optdsl").symlink_to(cache_folder().parent)
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status
    assert told in done.stdout + done.stderr


@lab
def test_a_build_that_has_been_done_is_there_at_once(tmp_path: Path) -> None:
    """Below 0.3 seconds; of the processor's, since other things may be going on."""
    seconds = []
    for _ in range(3):
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run("lab", "build", cwd=tmp_path)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Linux 6.12.")
        assert Path(done.stdout.split()[-1]).name == "linux"
    assert min(seconds) < 0.3


@lab
def test_output_and_status_are_those_of_the_command(tmp_path: Path) -> None:
    done = run("lab", "run", "sh", "-c", "pwd; echo error >&2; exit 7", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{tmp_path}\n", "error\n")


@lab
def test_options_behind_the_command_are_the_commands(tmp_path: Path) -> None:
    done = run("lab", "run", "--time", "real", "echo", "--time", "-h", "--", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "--time -h -- x\n")
    done = run("lab", "run", "--", "echo", "--debug", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "--debug\n")


@lab
def test_the_standard_input_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    for arguments, expected in (([], b""), (["-i"], b"a\0b")):
        done = subprocess.run(
            [sys.executable, "-m", "optdsl", "lab", "run", *arguments, "cat"],
            input=b"a\0b", capture_output=True, check=False, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, expected)


@lab
def test_a_hanging_command(tmp_path: Path) -> None:
    done = run("lab", "run", "--timeout", "2", "sh", "-c", "echo x; while :; do :; done", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (124, "x\n")
    assert done.stderr == "error: the command did not end within 2 s\n  = note: the lab was halted\n"


@lab
def test_a_panic(tmp_path: Path) -> None:
    done = run("lab", "run", "--log", "k.log", "sh", "-c", "echo c > /proc/sysrq-trigger", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (71, "")
    assert done.stderr.startswith("error: the kernel panicked\n")
    assert "Kernel panic - not syncing: sysrq triggered crash" in done.stderr
    assert "Kernel panic - not syncing: sysrq triggered crash" in (tmp_path / "k.log").read_text()


@lab
def test_a_kernel_that_complains(tmp_path: Path) -> None:
    script = "echo 'WARNING: made up' > /dev/kmsg; exit "
    assert run("lab", "run", "sh", "-c", script + "0", cwd=tmp_path).returncode == 0
    done = run("lab", "run", "--check-log", "sh", "-c", script + "0", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        72,
        "error: the kernel complains in its log\n  = note: WARNING: made up\n",
    )
    assert run("lab", "run", "--check-log", "sh", "-c", script + "3", cwd=tmp_path).returncode == 3
    assert run("lab", "run", "--check-log", "true", cwd=tmp_path).returncode == 0


@lab
def test_results_and_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("lab", "run", "--results", "file", "true", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: the folder for results, file, cannot be made: File exists\n")
    done = run("lab", "run", "--log", "absent/log", "true", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: cannot write absent/log: No such file or directory\n")


def test_a_log_goes_where_a_link_or_a_device_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("log")
    _write_log(tmp_path / "link", "\u00e4\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "log").read_bytes() == "\u00e4\n".encode()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    _write_log(tmp_path / "pipe", "x")
    assert os.read(reader, 9) == b"x"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


@lab
@pytest.mark.parametrize("way", ["simulated", "real"])
def test_a_shell(way: str, tmp_path: Path) -> None:
    """Keys go to the lab, Ctrl-C included, jobs are controlled, and the status is that of the shell."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-m", "optdsl", "lab", "shell", "--time", way])
    seen = _until(terminal, b"# ", b"")
    assert b"lab" in seen
    seen = b""
    for keys, answer in (
        (b"echo $((6*7)) $(hostname) $(tty)\r", b"42 lab /dev/"),
        (b"cat\r", b"cat\r\n"),
        (b"\x03", b"^C"),
        (b"echo st=$?\r", b"st=130"),
        (b"sleep 9999 &\r", b"[1] "),
        (b"kill -9 %1; wait; echo $((1+1))jobs\r", b"2jobs"),
        (b"exit 9\r", b"exit"),
    ):
        if keys == b"\x03":
            time.sleep(1)  # `cat` is on the screen before it runs
        os.write(terminal, keys)
        seen = _until(terminal, answer, seen).rpartition(answer)[2]
        if answer not in (b"cat\r\n", b"exit"):  # what is typed before the prompt may be lost, as on any terminal
            seen = _until(terminal, b"# ", seen).rpartition(b"# ")[2]
    _until(terminal, None, b"")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def _started_shell(folder: Path) -> tuple[int, int, subprocess.Popen[bytes]]:
    """A shell of the lab whose terminal is not its controlling one, so that no signal tells it when that goes away."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "optdsl", "lab", "shell"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, start_new_session=True, env=environment)
    _until(ours, b"# ", b"")
    return ours, its, process


@lab
def test_a_shell_that_is_ended_leaves_its_terminal_as_it_was(tmp_path: Path) -> None:
    ours, its, process = _started_shell(tmp_path)
    raw = termios.tcgetattr(its)
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    assert termios.tcgetattr(its)[3] & termios.ICANON
    assert not raw[3] & termios.ICANON
    os.close(its)
    os.close(ours)
    assert not list(tmp_path.iterdir())


@lab
def test_a_shell_ends_with_its_terminal(tmp_path: Path) -> None:
    ours, its, process = _started_shell(tmp_path)
    os.close(its)
    os.close(ours)
    assert process.wait(30) == 1
    assert not list(tmp_path.iterdir())


def _until(terminal: int, wanted: bytes | None, seen: bytes) -> bytes:
    """What a terminal shows until this has come, or until its end."""
    end = time.monotonic() + 30
    while wanted is None or wanted not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.5)[0]:
            piece = b""
            with contextlib.suppress(OSError):
                piece = os.read(terminal, 65536)
            if not piece:
                assert wanted is None, seen
                return seen
            seen += piece
    return seen
