"""One job in a child process: started early, given its input when that is there, asked for its result.

LLVM calls exit(1) on errors and abort() on defects, and takes a while to load. A fork costs a few milliseconds, keeps
this process alive, and lets LLVM load beside the work that comes before it. The child hands its output back through a
pipe, and LLVM's own messages through another one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import resource
import selectors
import signal
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from optdsl.backends.llvm.errors import BackendError

# How the child ends when Python, not LLVM, found the error; its output is then the stage and the message.
_REFUSED = 3

# `error: delack.opt:12:3: in function delack i32 (ptr): Looks like the BPF stack limit is exceeded.`
_LLVM_ERROR = r"error: (?P<file>[^\n:]+):(?P<line>\d+):\d+: in function (?P<function>\S+)[^\n:]*: (?P<text>.*)"

# LLVM's own handler, the C++ library, and glibc's loader.
_OUT_OF_MEMORY = ("out of memory", "std::bad_alloc", "cannot allocate memory")
_NO_MEMORY = "not enough memory for code generation"

Report = Callable[[str], None]
"""Is told each stage before it begins."""
Job = Callable[[bytes, Report], bytes]
"""Work for the child: from its input to its result."""


class Child:
    """A child process that prepares itself and waits for the input of its job."""

    def __init__(self, process: int, given: int, result: int, errors: int) -> None:
        self._process, self._given, self._result, self._errors = process, given, result, errors

    @classmethod
    def start(cls, prepare: Callable[[], None], job: Job) -> Child:
        """Forks. `prepare` runs at once, `job` when `finish` is called. Raises `BackendError` if that cannot be."""
        given, result, errors = os.pipe(), os.pipe(), os.pipe()
        try:
            process = _fork()
        except OSError as error:
            for descriptor in (*given, *result, *errors):
                os.close(descriptor)
            raise BackendError("resources", f"no process for code generation: {error.strerror}") from None
        if process == 0:
            os.close(given[1])
            _run_child(prepare, job, given[0], result[1], errors[1])
        for descriptor in (given[0], result[1], errors[1]):
            os.close(descriptor)
        return cls(process, given[1], result[0], errors[0])

    def finish(self, given: bytes) -> bytes:
        """What the job makes of its input. Raises `BackendError` however the child fails."""
        try:
            with contextlib.suppress(BrokenPipeError), os.fdopen(self._given, "wb") as stream:
                stream.write(given)
            result, errors = _read_both(self._result, self._errors)
        except BaseException:  # Ctrl-C
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0
            raise
        status = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        self._process = 0
        if status != 0:
            raise _failure(status, result, errors.decode(errors="replace"))
        return result

    def abandon(self) -> None:
        """Ends a child that nobody needs any more; nothing after `finish`."""
        if self._process == 0:
            return
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        self._process = 0
        for descriptor in (self._given, self._result, self._errors):
            os.close(descriptor)


def in_child(job: Callable[[Report], bytes]) -> bytes:
    """What a job without input returns that is done in a child process. Raises `BackendError` as `Child.finish`."""
    return Child.start(lambda: None, lambda _, report: job(report)).finish(b"")


def _fork() -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks of threaded processes; this child takes no lock and ends without clean-up.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _run_child(prepare: Callable[[], None], job: Job, given: int, result: int, errors: int) -> NoReturn:
    """Does the job and leaves without the clean-up that belongs to the parent."""
    stage = "parse"

    def report(name: str) -> None:
        nonlocal stage
        stage = name

    status = 0
    try:
        os.dup2(errors, 2)
        # LLVM does not look for signals that Python has noted.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # An abort is reported by the parent: no trace of this process, no core file.
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        prepare()
        with os.fdopen(given, "rb") as stream:
            text = stream.read()
        output = job(text, report)
    except MemoryError:
        status, output = _REFUSED, f"resources\n{_NO_MEMORY}".encode()
    except BaseException as error:
        status, output = _REFUSED, f"{stage}\n{error}".encode()
    try:
        with os.fdopen(result, "wb") as out:
            out.write(output)
    finally:
        os._exit(status)


def _read_both(*descriptors: int) -> list[bytes]:
    """Everything that comes out of several pipes; read together, so that none fills up and blocks the writer."""
    chunks: dict[int, list[bytes]] = {descriptor: [] for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, 1 << 16)
                chunks[key.fd].append(chunk)
                if not chunk:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return [b"".join(parts) for parts in chunks.values()]


def _failure(status: int, result: bytes, errors: str) -> BackendError:
    if status == _REFUSED:
        stage, _, message = result.decode(errors="replace").partition("\n")
        return BackendError(stage, message.strip() or "no message")
    if status == -signal.SIGKILL or any(each in errors.lower() for each in _OUT_OF_MEMORY):
        return BackendError("resources", _NO_MEMORY if status != -signal.SIGKILL else "code generation was killed")
    found = re.search(_LLVM_ERROR, errors, re.DOTALL)
    if found is not None:
        message = f"function {found['function']}: {found['text'].strip()}"
        known = int(found["line"]) > 0
        return BackendError(
            "generate", message, found["file"] if known else None, int(found["line"]) if known else None
        )
    refused = errors.partition("LLVM ERROR: ")[2].strip() or (errors.strip() if status > 0 else "")
    if refused:  # told by LLVM before it ended the process
        return BackendError("generate", refused)
    cause = f"LLVM ended with status {status}" if status > 0 else f"LLVM was killed by signal {-status}"
    return BackendError("crash", "\n".join(filter(None, [cause, errors.strip()])))
