"""Boots a kernel of the lab, runs one command in it, and returns what came of it."""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import resource
import select
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from optdsl.lab.kernels import chance, source
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.lab.kernels.kernel import Kernel
from optdsl.lab.kernels.results import current, made
from optdsl.lab.kernels.stream import Stream
from optdsl.record import record

Time = Literal["simulated", "real"]

START: Final = 1_767_225_600
"""When simulated time begins, in seconds since 1970: 2026-01-01, so that every run has the same times."""
TIMED_OUT: Final = 124
"""The status of a command that was ended by the timeout, as timeout(1) has it."""
CRASHED: Final = 71
"""The status when the kernel panicked, or went away without telling a status (EX_OSERR of sysexits)."""
_PIPE_SIZE: Final = 1 << 20
_FIRST_FILE: Final = 500
_SHARED_MEMORY: Final = Path("/dev/shm")
_GLANCE: Final = 0.02
"""Seconds between two looks at what the command has written."""


@record
class Finished:
    """What came of a command in the lab. `seconds` are the host's, from the start of the kernel to its end."""

    status: int
    """The command's exit status, 128 + n if signal n ended it; TIMED_OUT or CRASHED if it did not come to an end."""
    stdout: bytes
    stderr: bytes
    log: str
    """The kernel's messages."""
    seconds: float
    timed_out: bool = False
    crashed: bool = False

    @property
    def panic(self) -> str | None:
        """The kernel's last words, if it panicked."""
        lines = self.log.splitlines()
        end = next((number for number, line in enumerate(lines) if "Kernel panic" in line), None)
        if end is None:
            return None
        cut = [number for number, line in enumerate(lines[:end]) if "[ cut here ]" in line and end - number < 60]
        return "\n".join(lines[cut[-1] if cut else max(0, end - 2) :])


def boot(
    kernel: Kernel,
    command: Sequence[str],
    *,
    time: Time = "simulated",
    results: Path | None = None,
    timeout: float | None = None,
    memory_mb: int = 1024,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
    terminal: bool = False,
    seed: int | None = 1,
) -> Finished:
    """Runs a command as root on a kernel of its own, and returns when that has halted.

    `timeout` is in seconds of the host; `environment` replaces that of this process. `results` is the one folder whose
    files the command may change. What it writes is returned, and as it comes also written to `stdout` and `stderr`.
    With `terminal` its streams are this process's terminal instead. In simulated time what the kernel draws by chance
    follows from `seed`, so that what ran once runs the same way again; with None it is the host's chance.

    Raises LabKernelError if the kernel cannot be started or the machine not be made ready.
    """
    if not command:
        raise LabKernelError("no command was given")
    with _control_folder(memory_mb << 20) as control:
        shared = made(results)
        plan = {
            "command": list(command),
            "environment": dict(os.environ if environment is None else environment) | {"OPTDSL_LAB": kernel.release},
            "cwd": str(cwd or current()),
            "results": None if shared is None else str(shared),
            "terminal": terminal,
        }
        _write_control(control, plan, stdin)
        run = _Run(kernel, control, (stdout, stderr), terminal, seed if time == "simulated" else None)
        return run.finish(_arguments(kernel, time, memory_mb), timeout)


@contextlib.contextmanager
def _control_folder(size: int) -> Iterator[Path]:
    """A folder through which host and kernel talk, with the machine's memory: in memory if there is so much space."""
    place = _SHARED_MEMORY if _has_room(_SHARED_MEMORY, size) else None
    folder = Path(tempfile.mkdtemp(prefix=f"optdsl-lab-{os.getpid()}-", dir=place))
    try:
        _remove_orphans(folder.parent)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(place: Path, size: int) -> bool:
    """Whether files of so many bytes can be made there, and programs among them be run."""
    if not os.access(place, os.W_OK):
        return False
    told = os.statvfs(place)
    return not told.f_flag & os.ST_NOEXEC and told.f_bavail * told.f_frsize >= size


def _remove_orphans(place: Path) -> None:
    """Removes what processes that were killed could not remove themselves, and what no other lab removes now."""
    for each in place.glob("optdsl-lab-[0-9]*-*"):
        with contextlib.suppress(FileNotFoundError):
            if each.lstat().st_uid == os.getuid() and not Path("/proc", each.name.split("-")[2]).exists():
                shutil.rmtree(each, ignore_errors=True)


def _write_control(control: Path, plan: dict[str, Any], stdin: bytes) -> None:
    for name in ("memory", "root", "out", "uml"):
        (control / name).mkdir()
    for name in ("stdout", "stderr", "status"):
        (control / "out" / name).touch()
    (control / "plan").write_bytes(marshal.dumps(plan))
    (control / "stdin").write_bytes(stdin)
    guest = Path(__file__).with_name("guest.py")
    init = control / "init"
    words = [sys.executable, "-I", "-S", str(guest), str(control)]
    init.write_bytes(os.fsencode(f"#!/bin/sh\nexec {shlex.join(words)}\n"))
    init.chmod(0o755)


def _arguments(kernel: Kernel, time: Time, memory_mb: int) -> list[str]:
    """The kernel's command line, apart from what needs a file descriptor. It is the same each time: see `chance`."""
    simulated = ["time-travel=inf-cpu", f"time-travel-start={START * 10**9}"] if time == "simulated" else []
    return [
        str(kernel.binary), f"mem={memory_mb}M", *simulated, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
        "umid=lab", "con=null", "oops=panic", "panic=-1",
        "devtmpfs.mount=0", "printk.devkmsg=on", "printk.time=1", "loglevel=7",
    ]  # fmt: skip


class _Run:
    """One kernel from its start to its end."""

    def __init__(
        self,
        kernel: Kernel,
        control: Path,
        sinks: tuple[BinaryIO | None, BinaryIO | None],
        terminal: bool,
        seed: int | None,
    ) -> None:
        self.kernel, self.control, self.terminal, self.seed = kernel, control, terminal, seed
        self.log = bytearray()
        self.outputs = [
            Stream(control / "out" / name, sink) for name, sink in zip(("stdout", "stderr"), sinks, strict=True)
        ]

    def finish(self, arguments: list[str], timeout: float | None) -> Finished:
        """Starts the kernel and waits for its end."""
        began = clock.monotonic()
        reading, writing = os.pipe()
        with contextlib.suppress(OSError):  # an unprivileged user's quota of pipe buffers may be used up
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        os.set_blocking(reading, False)
        try:
            in_time = self._run(arguments, (reading, writing), None if timeout is None else began + timeout)
        finally:
            os.close(reading)
            for each in self.outputs:
                each.file.close()
        seconds = clock.monotonic() - began
        told = self._status() if in_time else TIMED_OUT
        stdout, stderr = (bytes(each.seen) for each in self.outputs)
        log = self.log.decode(errors="replace").replace("\r\n", "\n")
        status = CRASHED if told is None else told
        return Finished(status, stdout, stderr, log, seconds, timed_out=not in_time, crashed=told is None)

    def _run(self, arguments: list[str], log: tuple[int, int], deadline: float | None) -> bool:
        """From the start to the end of its last process; False if that took too long. `log` is a pipe."""
        reading, writing = log
        try:
            process = self._start(arguments, writing)
        finally:
            os.close(writing)
        try:
            return self._watch(process, reading, deadline)
        finally:
            _end(process)
            self._read_log(reading)
            for each in self.outputs:
                each.look()

    def _start(self, arguments: list[str], log: int) -> subprocess.Popen[bytes]:
        folder = os.open(self.control, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        files: list[int] = []
        # If this process is killed the kernel should not outlive it.
        tied = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        stdin = None if self.terminal else subprocess.DEVNULL
        try:
            for each in (log, folder, *([1] if self.terminal else [])):
                files.append(_high_number(each))
            console, place, *terminal = files[0], f"/proc/self/fd/{files[1]}", *files[2:]
            process = subprocess.Popen(
                [*tied, *arguments, f"init={place}/init", f"uml_dir={place}/uml/", f"con0=null,fd:{console}",
                 f"ssl0=fd:0,fd:{terminal[0]}" if terminal else "ssl=null"],
                stdin=stdin, stdout=log, stderr=log, env=self._environment(), cwd="/", pass_fds=files,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LabKernelError(f"{self.kernel.binary} cannot be started: {error.strerror}") from None
        finally:
            for each in (*files, folder):
                os.close(each)
        # A panic is an abort(3) of a process as large as the machine's memory.
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        return process

    def _environment(self) -> dict[str, str]:
        """That of the kernel as a process of the host."""
        environment = {**os.environ, "TMPDIR": str(self.control)}
        if self.seed is not None:
            fixed = str(chance.shared_object(source.cache_folder()))
            environment["LD_PRELOAD"] = " ".join(filter(None, [fixed, environment.get("LD_PRELOAD")]))
            environment[chance.SEED] = str(self.seed)
        return environment

    def _watch(self, process: subprocess.Popen[bytes], log: int, deadline: float | None) -> bool:
        """Passes on output until the kernel has halted; False if that took too long."""
        ended = os.pidfd_open(process.pid)
        hangup = select.poll()
        if self.terminal:
            hangup.register(0, 0)
        with selectors.DefaultSelector() as selector:
            selector.register(log, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            try:
                while process.poll() is None:
                    for key, _ in selector.select(_GLANCE):
                        if key.fd == log and not self._read_log(log):
                            selector.unregister(log)
                    for each in self.outputs:
                        each.look()
                    if deadline is not None and clock.monotonic() > deadline:
                        return False
                    if hangup.poll(0):
                        raise LabKernelError("the terminal of the lab has gone away")
            finally:
                os.close(ended)
        return True

    def _read_log(self, log: int) -> bool:
        """Takes what is there; False at the end."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(log, 65536):
                self.log += piece
            return False
        return True

    def _status(self) -> int | None:
        told = (self.control / "out" / "status").read_text()
        if told and not told.isdecimal():
            raise LabKernelError(told)
        return int(told) if told else None


def _high_number(file: int) -> int:
    """Another number of a file: one that no file of this process has, so that it is the same each time."""
    try:
        return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _FIRST_FILE)
    except OSError as error:  # EINVAL: the limit is lower
        what = f"the lab cannot have the numbers of files from {_FIRST_FILE} on: {error.strerror}"
        limit = f"the limit of open files is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}"
        raise LabKernelError(what, ("note", limit), ("help", "ulimit -n 1024")) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends whatever is left of a kernel: it is a session of its own, with a process for each of its processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(200):
            os.killpg(process.pid, 0)
            if not _runs(process.pid):
                break
            clock.sleep(0.005)
    process.wait()


def _runs(group: int) -> bool:
    """Whether any process of a group is more than a zombie, which may wait long for its new parent to take note."""
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, _, its_group = each.read_bytes().rpartition(b")")[2].split()[:3]
            if int(its_group) == group and state not in (b"Z", b"X"):
                return True
    return False
