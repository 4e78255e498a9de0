"""What `optdsl lab` tells while it works: the progress of a build, and how signals end a run."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from optdsl.cli.terminal import write

if TYPE_CHECKING:
    from types import FrameType

    from optdsl.lab.kernels.build import Progress, Tell


@contextlib.contextmanager
def told_progress() -> Iterator[Tell]:
    """A function that tells the progress on the standard error output: a bar on a terminal, a line a step elsewhere.

    A kernel that has been built makes no sound.
    """
    if sys.stderr.isatty():
        with _Bar() as bar:
            yield bar.tell
    else:
        yield _lines()


def _lines() -> Callable[[Progress], None]:
    told = ""
    began = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told
        line = progress.doing
        if progress.doing == "compiling":
            line += f" ({int(progress.share * 10) * 10} %)"
        if line != told:
            told = line
            write(f"{time.monotonic() - began:5.0f} s  {line}\n", sys.stderr)

    return tell


class _Bar:
    """A bar of rich, which is imported when there is something to show."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._show: Callable[[Progress], None] | None = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tell(self, progress: Progress) -> None:
        if self._show is None:
            self._show = self._begin()
        self._show(progress)

    def _begin(self) -> Callable[[Progress], None]:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        bars = Bars(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
                    console=Console(file=sys.stderr), transient=True)  # fmt: skip
        self._stack.enter_context(bars)
        task = bars.add_task("", total=1.0)
        return lambda progress: bars.update(task, description=progress.doing, completed=progress.share)


class _EndedError(BaseException):
    """A signal that ends this command."""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end what is inside as Ctrl-C does, so that nothing is left, and then this process.

    A signal that is ignored, as nohup(1) has it, stays ignored.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        for each in before:  # a terminal that goes away may say so twice: the second is not to disturb the end
            signal.signal(each, signal.SIG_IGN)
        raise _EndedError(number)

    heard = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, end) for each in heard}
    try:
        yield
    except _EndedError as error:
        signal.signal(error.args[0], signal.SIG_DFL)
        signal.raise_signal(error.args[0])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
