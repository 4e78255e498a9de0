"""Boots a Debian kernel in a virtual machine that is software alone, runs one command there, returns what came of it.

    done = run("debian-6.1", ["optdsl", "verify", "uto.bpf.o"], results=None, timeout=120)

As with the user-mode kernel the command sees the host's files, may write anywhere (to memory), and leaves only what it
writes below `results`. It is slower, by an order of magnitude, and its clock is the host's. What it is for: to ask a
kernel that others run whether it accepts an object.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from optdsl.lab.kernels import debian, qemu_guest
from optdsl.lab.kernels.boot import CRASHED, TIMED_OUT, Finished
from optdsl.lab.kernels.build import Tell, silent
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.lab.kernels.initramfs import File, archive
from optdsl.lab.kernels.results import current, made
from optdsl.lab.kernels.stream import Stream

QEMU: Final = "qemu-system-x86_64"
_GLANCE: Final = 0.05
"""Seconds between two looks at what the command has written."""


def run(
    kernel: str,
    command: Sequence[str],
    *,
    results: Path | None = None,
    timeout: float | None = None,
    memory_mb: int = 1024,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
    tell: Tell = silent,
) -> Finished:
    """Runs a command as root on a kernel of `debian.KERNELS`, and returns when that has halted.

    The arguments are those of `boot`; `timeout` does not count a download, of which `tell` is told. Raises
    LabKernelError if the kernel cannot be had, the virtual machine not be started, or that not be made ready.
    """
    if not command:
        raise LabKernelError("no command was given")
    program = shutil.which(QEMU)
    if program is None:
        raise LabKernelError(
            f"`{QEMU}` is missing", ("help", "apt-get install --no-install-recommends qemu-system-x86")
        )
    image = debian.ensure_image(kernel, tell)
    shared = made(results)
    variables = {**(os.environ if environment is None else environment), "OPTDSL_LAB": image.release}
    script = qemu_guest.command_script(command, variables, str(cwd or current()))
    with tempfile.TemporaryDirectory(prefix="optdsl-lab-") as name:
        control = Path(name)
        (control / "initrd").write_bytes(_first_root(image, script, stdin, shared))
        machine = _Machine(control, (stdout, stderr))
        return machine.finish(_arguments(program, image, control, shared, memory_mb), timeout)


def _first_root(image: debian.Image, script: bytes, stdin: bytes, results: Path | None) -> bytes:
    """What the kernel starts from: modules and scripts, and what is particular to this run."""
    order = "".join(f"{each}\n" for each in image.modules)
    folder = b"\n" if results is None else os.fsencode(results) + b"\n"
    return archive(
        [
            File("busybox", image.busybox.read_bytes(), executable=True),
            File("init", qemu_guest.INIT.encode(), executable=True),
            File("main", qemu_guest.MAIN.encode()),
            File("command", script),
            File("stdin", stdin),
            File("results", folder),
            File("modules/order", order.encode()),
            *(File(each, (image.folder / each).read_bytes()) for each in image.modules),
        ]
    )


def _arguments(program: str, image: debian.Image, control: Path, results: Path | None, memory_mb: int) -> list[str]:
    """The virtual machine: nothing but a console, the lines of `qemu_guest.PORTS`, and folders by 9p.

    Without -no-reboot a kernel that panics would begin again. What 9p shows is what the user of this process may see.
    """
    share = "local,security_model=none,multidevs=remap"
    arguments = [
        program, "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-m", str(memory_mb),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(image.vmlinuz), "-initrd", str(control / "initrd"),
        "-append", "console=ttyS0 quiet panic=-1 oops=panic printk.devkmsg=on",
        "-serial", f"file:{control}/console",
        "-fsdev", f"{share},id={qemu_guest.ROOT_TAG},path=/,readonly=on",
        "-device", f"virtio-9p-pci,fsdev={qemu_guest.ROOT_TAG},mount_tag={qemu_guest.ROOT_TAG}",
        "-device", "virtio-serial-pci",
    ]  # fmt: skip
    for name in qemu_guest.PORTS:
        arguments += ["-chardev", f"file,id={name},path={control / name}"]
        arguments += ["-device", f"virtserialport,chardev={name},name={name}"]
    if results is not None:
        path = str(results).replace(",", ",,")  # the comma ends an option's value
        arguments += ["-fsdev", f"{share},id={qemu_guest.RESULTS_TAG},path={path}"]
        arguments += ["-device", f"virtio-9p-pci,fsdev={qemu_guest.RESULTS_TAG},mount_tag={qemu_guest.RESULTS_TAG}"]
    return arguments


class _Machine:
    """One virtual machine from its start to its end."""

    def __init__(self, control: Path, sinks: tuple[BinaryIO | None, BinaryIO | None]) -> None:
        self.control = control
        for name in (*qemu_guest.PORTS, "console"):
            (control / name).touch()
        self.streams = [Stream(control / name, sink) for name, sink in zip(("stdout", "stderr"), sinks, strict=True)]

    def finish(self, arguments: list[str], timeout: float | None) -> Finished:
        """Starts the machine and waits for its end."""
        began = clock.monotonic()
        process = self._start(arguments)
        try:
            in_time = self._watch(process, None if timeout is None else began + timeout)
        finally:
            process.kill()
            process.wait()
            for each in self.streams:
                each.look()
                each.file.close()
        seconds = clock.monotonic() - began
        told = self._status(process) if in_time else TIMED_OUT
        status = CRASHED if told is None else told
        stdout, stderr = (bytes(each.seen) for each in self.streams)
        log = self._text("log") or self._text("console")
        return Finished(status, stdout, stderr, log, seconds, timed_out=not in_time, crashed=told is None)

    def _start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        # However this process ends, the machine ends with it (prctl(2): PR_SET_PDEATHSIG).
        together = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
        try:
            with (self.control / "complaints").open("wb") as complaints:
                return subprocess.Popen(
                    [*together, *arguments], stdin=subprocess.DEVNULL, stdout=complaints, stderr=complaints,
                    cwd="/", start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise LabKernelError(f"{arguments[0]} cannot be started: {error.strerror}") from None

    def _watch(self, process: subprocess.Popen[bytes], deadline: float | None) -> bool:
        """Passes on output until the machine is off; False if that took too long."""
        while True:
            try:
                process.wait(_GLANCE)
            except subprocess.TimeoutExpired:
                for each in self.streams:
                    each.look()
                if deadline is not None and clock.monotonic() > deadline:
                    return False
            else:
                return True

    def _status(self, process: subprocess.Popen[bytes]) -> int | None:
        """The command's status, None if the kernel crashed. Raises LabKernelError if the command was never run."""
        if told := self._text("status").strip():
            return int(told)
        console = self._text("console")
        if "lab: cannot " in console:
            reason = console.rpartition("lab: cannot ")[2].splitlines()[0]
            notes = [("note", line) for line in console.splitlines()[-10:]]
            raise LabKernelError(f"the lab cannot be made ready: the kernel cannot {reason}", *notes)
        if process.returncode:
            complaints = self._text("complaints").strip() or f"it ended with {process.returncode}"
            raise LabKernelError(f"the virtual machine has failed: {complaints}")
        return None

    def _text(self, name: str) -> str:
        return (self.control / name).read_bytes().decode(errors="replace").replace("\r\n", "\n")
