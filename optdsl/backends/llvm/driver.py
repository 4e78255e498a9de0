"""Runs LLVM, in a child process: on errors of code generation LLVM calls exit(1), on defects abort().

The child is a fork, which costs a few milliseconds; it hands back the output through a pipe, and LLVM's own messages
through another one.
"""

from __future__ import annotations

import faulthandler
import os
import re
import resource
import selectors
import sys
import warnings
from collections.abc import Callable
from enum import Enum
from typing import NoReturn

from optdsl.backends.llvm.errors import BackendError

# How the child ends when Python, not LLVM, found the error; its output is then the stage and the message.
_REFUSED = 3

# `error: delack.opt:12:3: in function delack i32 (ptr): Looks like the BPF stack limit is exceeded.`
_LLVM_ERROR = re.compile(
    r"error: (?P<file>[^\n:]+):(?P<line>\d+):\d+: in function (?P<function>\S+)[^\n:]*: (?P<text>.*)", re.DOTALL
)


# Work for the child; it is given a function to which it tells each stage before it begins.
Job = Callable[[Callable[[str], None]], bytes]


class Output(Enum):
    """What to generate."""

    OBJECT = "object"
    ASSEMBLY = "assembly"


def generate(text: str, output: Output) -> bytes:
    """Optimises LLVM IR and generates a BPF object (still with DWARF) or assembly text. Raises `BackendError`."""
    import llvmlite.binding  # noqa: F401  Loaded before the fork, so that later calls need not load it again.

    return in_child(lambda report: _compile(text, output, report))


def _compile(text: str, output: Output, report: Callable[[str], None]) -> bytes:
    """Code generation proper; `report` is told each stage before it begins."""
    from llvmlite import binding

    report("parse")
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    # `unreachable` would become a call of a kernel function that older kernels lack.
    binding.set_option("optdsl", "--bpf-disable-trap-unreachable")
    module = binding.parse_assembly(text, context=binding.create_context())
    module.verify()

    report("optimise")
    target = binding.Target.from_triple("bpfel").create_target_machine(cpu="v3", opt=2, codemodel="default")
    tuning = binding.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = False
    tuning.slp_vectorization = False
    builder = binding.create_pass_builder(target, tuning)
    builder.getModulePassManager().run(module, builder)

    report("generate")
    data: bytes = target.emit_object(module) if output is Output.OBJECT else target.emit_assembly(module).encode()
    return data


def in_child(job: Job) -> bytes:
    """What a job returns that is done in a child process. Raises `BackendError` however the child fails."""
    result_read, result_write = os.pipe()
    errors_read, errors_write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks of threaded processes; this child takes no lock and ends without clean-up.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _run_child(job, result_write, errors_write)
    os.close(result_write)
    os.close(errors_write)
    result, errors = _read_both(result_read, errors_read)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        raise _failure(status, result, errors.decode(errors="replace"))
    return result


def _run_child(job: Job, result: int, errors: int) -> NoReturn:
    """Does the job and leaves without the clean-up that belongs to the parent."""
    stage = "parse"

    def report(name: str) -> None:
        nonlocal stage
        stage = name

    status = 0
    try:
        os.dup2(errors, 2)
        # An abort is reported by the parent: no trace of this process, no core file.
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        output = job(report)
    except BaseException as error:
        status, output = _REFUSED, f"{stage}\n{error}".encode()
    try:
        with os.fdopen(result, "wb") as stream:
            stream.write(output)
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
    found = _LLVM_ERROR.search(errors)
    if found is not None:
        message = f"function {found['function']}: {found['text'].strip()}"
        known = int(found["line"]) > 0
        return BackendError(
            "generate", message, found["file"] if known else None, int(found["line"]) if known else None
        )
    cause = f"LLVM ended with status {status}" if status > 0 else f"LLVM was killed by signal {-status}"
    return BackendError("generate", errors.strip() or cause)
