"""The first process of a kernel of the lab: makes the machine ready, runs one command, halts.

It runs inside, by itself (`python3 -I -S guest.py CONTROL`), so it imports nothing of this package and as little as
possible of Python: the command waits for it. CONTROL is a folder of the host with `plan`, which `boot` has written, and
with `out`, where the results go: the bytes of both streams, and at the end the status.
"""

# pathlib and contextlib take longer to import than everything else here.
# ruff: noqa: PTH102, PTH103, PTH108, PTH123, PTH211, SIM105, SIM115
from __future__ import annotations

import ctypes
import marshal
import os
import select
import signal
import sys
from typing import Any, Final

_NOSUID, _NODEV, _NOEXEC, _MOVE = 2, 4, 8, 8192
_POWER_OFF: Final = 0x4321FEDC
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_TIOCSCTTY: Final = 0x540E
_SAFE: Final = _NOSUID | _NODEV | _NOEXEC
_MOUNTS: Final = (
    # type, place, flags, options, whether the lab is of no use without it
    ("proc", "/proc", _SAFE, "", True),
    ("sysfs", "/sys", _SAFE, "", True),
    ("devtmpfs", "/dev", _NOSUID, "mode=0755", True),
    ("devpts", "/dev/pts", _NOSUID | _NOEXEC, "gid=5,mode=620,ptmxmode=666", True),
    ("tmpfs", "/dev/shm", _NOSUID | _NODEV, "mode=1777", True),
    ("tmpfs", "/run", _NOSUID | _NODEV, "mode=0755", True),
    ("cgroup2", "/sys/fs/cgroup", _SAFE, "", False),
    ("bpf", "/sys/fs/bpf", _SAFE, "mode=0700", False),
    ("debugfs", "/sys/kernel/debug", _SAFE, "", False),
    ("tracefs", "/sys/kernel/tracing", _SAFE, "", False),
)
_LINKS: Final = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)

libc = ctypes.CDLL(None, use_errno=True)
Plan = dict[str, Any]


def mount(source: str, kind: str, place: str, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    arguments = (os.fsencode(source), os.fsencode(place), kind.encode(), ctypes.c_ulong(flags), os.fsencode(options))
    if libc.mount(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} (mounting {kind} on {place})")


def make_root(control: str) -> str:
    """The host's files below, memory above: what is written never reaches the host. Returns where that is."""
    memory, root = f"{control}/memory", f"{control}/root"
    mount("memory", "tmpfs", memory, options="mode=0755")
    for name in ("upper", "work"):
        os.mkdir(f"{memory}/{name}")
    mount("lab", "overlay", root, options=f"lowerdir=/,upperdir={memory}/upper,workdir={memory}/work")
    for kind, place, flags, options, needed in _MOUNTS:
        if place in ("/dev/pts", "/dev/shm"):
            os.mkdir(root + place)
        try:
            mount(kind, kind, root + place, flags, options)
        except OSError:
            if needed:
                raise
    return root


def enter_root(root: str, results: str | None) -> None:
    """Makes a folder the root of everything, with the one folder of the host in it that may be written."""
    if results is not None:
        os.makedirs(root + results, exist_ok=True)
        mount("results", "hostfs", root + results, _NOSUID | _NODEV, results)
    os.chdir(root)
    mount(".", "", "/", _MOVE)
    os.chroot(".")
    for target, place in _LINKS:
        if os.path.lexists(place):
            os.unlink(place)
        os.symlink(target, place)
    for folder in ("/run/lock", "/run/netns"):
        os.mkdir(folder)


def name_host(name: str) -> None:
    """The host's name, and `ip link set lo up`."""
    libc.sethostname(name.encode(), len(name))
    request = bytearray(b"lo".ljust(40, b"\0"))
    buffer = (ctypes.c_char * len(request)).from_buffer(request)
    sock = libc.socket(2, 2, 0)
    libc.ioctl(sock, _SIOCGIFFLAGS, buffer)
    flags = int.from_bytes(request[16:18], sys.byteorder) | _IFF_UP
    request[16:18] = flags.to_bytes(2, sys.byteorder)
    if libc.ioctl(sock, _SIOCSIFFLAGS, buffer):
        raise OSError(ctypes.get_errno(), "cannot bring up lo")
    os.close(sock)


def start(plan: Plan, streams: tuple[int, int, int]) -> int:
    """Runs the command in a session of its own and returns its process. What cannot be run ends as in a shell."""
    if child := os.fork():
        return child
    try:
        for each in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT, signal.SIGXFSZ):
            signal.signal(each, signal.SIG_DFL)
        os.setsid()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.closerange(3, 256)
        if plan["terminal"]:
            libc.ioctl(0, _TIOCSCTTY, 0)
        os._exit(become(plan["command"], plan["environment"], plan["cwd"]))
    finally:
        os._exit(125)


def become(command: list[str], environment: dict[str, str], cwd: str) -> int:
    """Becomes the command; returns only if that fails, 127 if there is none, 126 if it cannot be run."""
    name = command[0]
    try:
        os.chdir(cwd)
        os.execvpe(name, command, environment)
    except (FileNotFoundError, NotADirectoryError) as error:
        in_folder = error.filename is not None and error.filename == cwd
        complain(f"{cwd}: {error.strerror}" if in_folder else f"{name}: command not found")
        return 127
    except OSError as error:
        complain(f"{name}: {error.strerror}")
        return 126


def complain(text: str) -> None:
    os.write(2, f"optdsl lab: {text}\n".encode(errors="surrogateescape"))


class Relay:
    """Carries what comes out of pipes into files of the host, in whole and in order."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        self.pairs = dict(pairs)
        self.poll = select.poll()
        for source in self.pairs:
            os.set_blocking(source, False)
            self.poll.register(source, select.POLLIN)

    def wait(self, milliseconds: int | None) -> None:
        """Waits for something, and carries what is there."""
        for source, _ in self.poll.poll(milliseconds):
            if source in self.pairs:
                self.carry(source)
            else:
                os.read(source, 4096)

    def carry(self, source: int) -> None:
        """Everything that is in one pipe."""
        while True:
            try:
                piece = os.read(source, 65536)
            except BlockingIOError:
                return
            if not piece:
                self.poll.unregister(source)
                del self.pairs[source]
                return
            while piece:
                piece = piece[os.write(self.pairs[source], piece) :]


def reap() -> dict[int, int]:
    """Every process that has ended, with its wait status."""
    ended = {}
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = found[1]
    except ChildProcessError:
        pass
    return ended


def run(plan: Plan, stdin: int, files: tuple[int, int]) -> int:
    """Runs the command to its end, then ends what it has left running. Returns the status as a shell tells it."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    pipes = [os.pipe() for _ in files]
    relay = Relay([(pipe[0], file) for pipe, file in zip(pipes, files, strict=True)])
    relay.poll.register(woken, select.POLLIN)
    streams = (stdin, pipes[0][1], pipes[1][1])
    if plan["terminal"]:
        line = os.open("/dev/ttyS0", os.O_RDWR | os.O_NOCTTY)
        streams = (line, line, line)
    # What the command writes is carried out before the command goes on: it may be the last thing this kernel does, and
    # in simulated time a program that does not sleep is never interrupted.
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    main = start(plan, streams)
    for each in {stdin, *streams, pipes[0][1], pipes[1][1]}:
        os.close(each)
    while main not in (ended := reap()):
        relay.wait(None)
    for source in list(relay.pairs):
        relay.carry(source)
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass
    while relay.pairs:
        reap()
        relay.wait(100)
    return os.waitstatus_to_exitcode(ended[main])


def main(control: str) -> None:
    """Everything, then halts."""
    plan: Plan = marshal.loads(open(f"{control}/plan", "rb").read())
    out = f"{control}/out"
    mount("out", "hostfs", out, 0, out)
    try:
        os.close(os.open(f"{out}/begun", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:  # a reboot: the kernel has started itself anew
        libc.reboot(_POWER_OFF)
    stdout, stderr, status = (os.open(f"{out}/{name}", os.O_WRONLY) for name in ("stdout", "stderr", "status"))
    try:
        stdin = os.open(f"{control}/stdin", os.O_RDONLY)
        enter_root(make_root(control), plan["results"])
        name_host("lab")
        code = run(plan, stdin, (stdout, stderr))
        os.write(status, str(code if code >= 0 else 128 - code).encode())
    except OSError as error:
        os.write(status, f"the lab cannot be made ready: {error.strerror or error}".encode())
    finally:
        libc.sync()
        libc.reboot(_POWER_OFF)


if __name__ == "__main__":
    main(sys.argv[1])
