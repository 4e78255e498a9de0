"""`optdsl lab build | run | shell | hosts`: kernels of the lab, built once and booted in a second for one command."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optdsl.cli import lab_hosts
from optdsl.cli.errors import CommandError, Status, UsageError
from optdsl.cli.terminal import show_error, write

if TYPE_CHECKING:
    from optdsl.lab.kernels.boot import Finished
    from optdsl.lab.kernels.kernel import Kernel

EXAMPLES = (
    ("optdsl lab build", "once, some minutes"),
    ("optdsl lab run ip mptcp limits", "a command as root on that kernel"),
    ("optdsl lab run --results out ./test.sh", "what it writes to out/ stays"),
    ("optdsl lab shell --vanilla", "a shell, without the series"),
)
ACTIONS = {
    "build": "build the kernel, unless that has been done",
    "run": "boot, run a command as root, halt",
    "shell": "boot, with a root shell on this terminal",
    "hosts": "two hosts joined by paths, for the length of a command",
}
BUILT = "built"
KERNELS = (BUILT, "debian-6.1", "debian-6.12")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command: an action, each with its own."""
    adding = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions", help="what to do")
    parsers = {
        name: adding.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False,
            formatter_class=parser.formatter_class,
        )
        for name, text in ACTIONS.items()
    }  # fmt: skip
    for name in ("build", "run", "shell"):
        _add_kernel(parsers[name])
    _add_jobs(parsers["build"])
    _add_machine(parsers["run"])
    _add_machine(parsers["shell"])
    _add_run(parsers["run"])
    lab_hosts.add_arguments(parsers["hosts"])


def _add_kernel(parser: argparse.ArgumentParser) -> None:
    series = parser.add_mutually_exclusive_group()
    series.add_argument("--patches", action="store_true", default=True, help="with the series (default)")
    series.add_argument("--vanilla", action="store_true", help="without the series in kernel-patches/")
    parser.add_argument(
        "--debug", action="store_true", help="a kernel that watches itself: KASAN, lockdep, kmemleak and more; slower"
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", metavar="N", type=_jobs, help="compilers at a time (default: one a processor)")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--time", choices=("simulated", "real"), default="simulated", metavar="TIME",
        help="%(choices)s; simulated time jumps to the next timer when nothing runs (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--memory", metavar="SIZE", type=_megabytes, default=1024, help="such as 512M (default: 1G)")
    parser.add_argument(
        "--seed", metavar="N", type=int, default=1, help="what chance there is in simulated time (default: %(default)s)"
    )
    parser.add_argument("--results", metavar="DIR", type=_folder, help="the folder whose files may be written")
    parser.add_argument("--log", metavar="FILE", type=_file, help="write the kernel's messages to a file")
    parser.add_argument(
        "--check-log",
        action="store_true",
        help=f"status {Status.KERNEL_COMPLAINED} if the kernel complains in its log",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kernel", choices=KERNELS, default=BUILT, metavar="KERNEL",
        help="%(choices)s; those of Debian boot under qemu (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="end it after so long, with status 124")
    parser.add_argument("-i", "--stdin", action="store_true", help="read the standard input first, to its end")
    parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="the command and its arguments")


def _megabytes(text: str) -> int:
    number, unit = text[:-1], text[-1:].upper()
    if unit not in ("M", "G") or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is not a size such as 512M or 2G")
    size = int(number) << (10 if unit == "G" else 0)
    if not 64 <= size <= 64 << 10:
        raise argparse.ArgumentTypeError(f"{text} is not within 64M..=64G")
    return size


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(text)) < float("inf"):
            return seconds
    raise argparse.ArgumentTypeError(f"`{text}` is not a time above 0 in seconds")


def _folder(name: str) -> Path:
    if not name:  # what a shell makes of a variable that is not set; as a path it would be the current folder
        raise argparse.ArgumentTypeError("the name of a folder is missing")
    return Path(name)


def _file(name: str) -> Path:
    """Refuses what cannot be written before the run, which may take hours, not after it."""
    if not name:
        raise argparse.ArgumentTypeError("the name of a file is missing")
    if Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"`{name}` is a folder")
    return Path(name)


def _jobs(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of at least 1")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Builds, or boots and returns the status of the command."""
    from optdsl.cli.lab_progress import ended_by_signals
    from optdsl.lab.errors import LabError
    from optdsl.lab.kernels.errors import LabKernelError

    try:
        with ended_by_signals():
            return _DOING[arguments.action](arguments)
    except LabKernelError as error:
        raise CommandError(error.message, *error.remarks) from None
    except LabError as error:
        raise CommandError(str(error)) from None


def _build(arguments: argparse.Namespace) -> int:
    kernel = _kernel(arguments, arguments.jobs)
    write(f"Linux {kernel.release}{_kind(arguments)}: {kernel.binary}\n")
    return Status.OK


def _kind(arguments: argparse.Namespace) -> str:
    words = [*(["without the series"] if arguments.vanilla else []), *(["for debugging"] if arguments.debug else [])]
    return f" ({', '.join(words)})" if words else ""


def _kernel(arguments: argparse.Namespace, jobs: int | None = None) -> Kernel:
    from optdsl.cli.lab_progress import told_progress
    from optdsl.lab.kernels.build import ensure_built

    with told_progress() as tell:
        return ensure_built(not arguments.vanilla, arguments.debug, jobs=jobs, tell=tell)


def _command(arguments: argparse.Namespace) -> list[str]:
    words: list[str] = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise UsageError("a command to run is missing", ("help", "`optdsl lab shell` gives a shell"))
    return words


def _run(arguments: argparse.Namespace) -> int:
    command = _command(arguments)
    finished = _boot(
        arguments, command, stdin=_read_stdin() if arguments.stdin else b"", timeout=arguments.timeout,
        stdout=sys.stdout.buffer, stderr=sys.stderr.buffer,
    )  # fmt: skip
    return _judged(arguments, finished)


def _read_stdin() -> bytes:
    if sys.stdin is None:  # a shell's `<&-`
        raise CommandError("cannot read <stdin>: it is closed")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise CommandError(f"cannot read <stdin>: {error.strerror}") from None


def _shell(arguments: argparse.Namespace) -> int:
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("a shell needs a terminal", ("help", "`optdsl lab run COMMAND...` runs a command without one"))
    from optdsl.cli.lab_shell import raw_terminal, shell

    _kernel(arguments)  # a build has its say before the terminal becomes the lab's
    with raw_terminal(), shell() as (command, environment):
        finished = _boot(arguments, command, environment=environment, terminal=True)
    return _judged(arguments, finished)


def _boot(arguments: argparse.Namespace, command: list[str], **more: Any) -> Finished:
    from optdsl.cli.lab_progress import told_progress

    common = {"results": arguments.results, "memory_mb": arguments.memory}
    if getattr(arguments, "kernel", BUILT) != BUILT:
        from optdsl.lab.kernels import qemu

        with told_progress() as tell:
            return qemu.run(arguments.kernel, command, tell=tell, **common, **more)
    from optdsl.lab.kernels.boot import boot

    kernel = _kernel(arguments)
    return boot(kernel, command, time=arguments.time, seed=arguments.seed, **common, **more)


def _judged(arguments: argparse.Namespace, finished: Finished) -> int:
    """The status, with what has to be said of the kernel."""
    from optdsl.lab.kernels.log import problems

    if arguments.log is not None:
        _write_log(arguments.log, finished.log)
    if finished.crashed:
        show_error("the kernel panicked" if finished.panic else "the kernel ended before the command did")
        write((finished.panic or finished.log[-2000:]).rstrip() + "\n", sys.stderr)
        return Status.KERNEL_CRASHED
    if finished.timed_out:
        show_error(f"the command did not end within {arguments.timeout:g} s", [("note", "the lab was halted")])
        return Status.TIMED_OUT
    if arguments.check_log and (found := problems(finished.log)):
        show_error("the kernel complains in its log", [("note", line) for line in found[:20]])
        return finished.status or Status.KERNEL_COMPLAINED
    return finished.status


def _write_log(file: Path, log: str) -> None:
    from optdsl.cli.output import write_file

    try:
        write_file(file, log.encode())
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error.strerror}") from None


_DOING: dict[str, Callable[[argparse.Namespace], int]] = {
    "build": _build,
    "run": _run,
    "shell": _shell,
    "hosts": lab_hosts.run,
}
