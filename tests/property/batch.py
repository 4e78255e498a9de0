"""Many programs in several processes, each with a lab of its own."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from queue import Empty
from typing import Any, Final

from optdsl.backends.llvm import emit_object
from optdsl.compiler import lower_program
from optdsl.diagnostics import CompileError
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import two_hosts
from property.features import features
from property.programs import checked, program_of
from property.reduction import reduced
from property.talks import Stage
from property.trial import Costs, TrialError, try_program

DIGEST_EVERY: Final = 10
"""One program of so many is made into an object by a second process, whose hashes of strings are other ones."""
_LABS: Final = 3
"""Times that a program is tried in a new lab, where a conversation did not come to its end."""
_WHEN_PARENT_ENDS: Final = 1
"""PR_SET_PDEATHSIG: a parent that is killed leaves no lab behind."""


@dataclass(frozen=True, slots=True)
class Job:
    """A program to try: that of a seed, or a text."""

    seed: int
    text: str | None = None
    reduce: bool = False
    digest: bool = False
    """Only make the object."""


@dataclass(slots=True)
class Result:
    """What came of a job. `what` is empty if everything holds."""

    job: Job
    text: str = ""
    accepted: bool = False
    features: frozenset[str] = frozenset()
    what: str = ""
    detail: str = ""
    smaller: str = ""
    digest: str = ""
    costs: Costs = field(default_factory=Costs)


class Worker:
    """Tries programs one after the other in a lab."""

    def __init__(self, cleanup: ExitStack) -> None:
        self._folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        self._lab = cleanup.enter_context(ExitStack())
        self._stage: Stage | None = None

    def run(self, job: Job) -> Result:
        """Tries one program; whatever goes wrong is in the result."""
        result = Result(job)
        try:
            with result.costs.phase("generate"):
                result.text, program = (job.text, checked(job.text)) if job.text else program_of(job.seed)
            if program is None:
                return result
            if job.digest or job.seed % DIGEST_EVERY == 0:
                result.digest = sha256(emit_object(lower_program(program))).hexdigest()
            if job.digest:
                return result
            result.accepted = True
            result.features = frozenset(features(program, result.text))
        except Exception:
            result.what, result.detail = "the generator", traceback.format_exc()
            return result
        result.what, result.detail = self._failure(result.text, job.seed, result.costs)
        if result.what and job.reduce:
            result.smaller = reduced(result.text, lambda text: self._fails_so(text, job.seed, result.what))
        return result

    def _fails_so(self, text: str, seed: int, what: str) -> bool:
        return self._failure(text, seed, Costs())[0] == what

    def _failure(self, text: str, seed: int, costs: Costs) -> tuple[str, str]:
        """What does not hold, and the details; nothing for a text that is no program."""
        found = "", ""
        for _ in range(_LABS):
            try:
                try_program(text, seed, self.stage, self._folder, costs)
            except CompileError:
                return "", ""
            except TrialError as error:
                return error.what, error.detail
            except LabError as error:
                self._leave_lab()
                costs.events["new labs"] += 1
                found = type(error).__name__, traceback.format_exc()
            except Exception as error:
                self._leave_lab()
                return type(error).__name__, traceback.format_exc()
            else:
                return "", ""
        return found

    def _leave_lab(self) -> None:
        self._lab.close()
        self._stage = None

    @property
    def stage(self) -> Stage:
        """The lab; a new one if something went wrong in the last."""
        if self._stage is None:
            self._stage = Stage(self._lab.enter_context(two_hosts()), self._lab)
        return self._stage


def run(jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    """Tries programs in several processes; results come as they are ready. Ends the processes at the end."""
    context = multiprocessing.get_context("spawn")
    outbox: Any = context.Queue()
    inboxes: list[Any] = [context.Queue() for _ in range(workers)]
    processes = [_started(context, number, inboxes[number], outbox) for number in range(workers)]
    try:
        yield from _dealt(iter(jobs), inboxes, outbox, processes)
    finally:
        for inbox in inboxes:
            inbox.put(None)
        for process in processes:
            process.join(20)
            if process.is_alive():
                process.terminate()
                process.join()


def _started(context: Any, number: int, inbox: Any, outbox: Any) -> Any:
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = str(number + 1)
    try:
        process = context.Process(target=_work, args=(inbox, outbox), daemon=True)
        process.start()
    finally:
        del os.environ["PYTHONHASHSEED"]
        if before is not None:
            os.environ["PYTHONHASHSEED"] = before
    return process


def _dealt(jobs: Iterator[Job], inboxes: list[Any], outbox: Any, processes: list[Any]) -> Iterator[Result]:
    """Keeps every process busy, and has some objects made twice."""
    digests: dict[int, str] = {}
    waiting = 0
    for inbox in inboxes * 2:  # a second one each, so that nobody waits for us
        job = next(jobs, None)
        if job is not None:
            inbox.put(job)
            waiting += 1
    while waiting:
        number, result = _received(outbox, processes)
        waiting -= 1
        if result.job.digest:
            if digests.pop(result.job.seed) != result.digest:
                result.what, result.detail = "two processes make two objects", result.digest
                yield result
            continue
        yield result
        if result.digest and not result.what and len(inboxes) > 1:
            digests[result.job.seed] = result.digest
            inboxes[number - 1].put(Job(result.job.seed, result.job.text, digest=True))
            waiting += 1
        job = next(jobs, None)
        if job is not None:
            inboxes[number].put(job)
            waiting += 1


def _received(outbox: Any, processes: list[Any]) -> tuple[int, Result]:
    while True:
        try:
            found: tuple[int, Result] = outbox.get(timeout=5.0)
        except Empty:
            if not all(process.is_alive() for process in processes):
                raise RuntimeError("a worker is gone") from None
        else:
            return found


def _work(inbox: Any, outbox: Any) -> None:
    """The life of a process. The parent says when it ends, also when the terminal interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ctypes.CDLL(None).prctl(_WHEN_PARENT_ENDS, signal.SIGTERM)
    number = int(os.environ["PYTHONHASHSEED"]) - 1
    with ExitStack() as cleanup:
        worker = Worker(cleanup)
        while (job := inbox.get()) is not None:
            outbox.put((number, worker.run(job)))
