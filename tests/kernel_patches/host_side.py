"""What runs on the host: boots a kernel for a module, has its tests run in there, and tells pytest what came of it."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from kernel_patches import lab_side, programs

if TYPE_CHECKING:
    from optdsl.lab.kernels import Finished, Kernel

_ROOT: Final = Path(__file__).parents[2]
_MOST_LINES: Final = 80
"""Of pytest's output and of the kernel log, where a lab ends before its time."""
_DEBUG_FACTOR: Final = 4
"""How much more time and memory a kernel gets that watches itself."""
_reports = pytest.StashKey[dict[str, list[pytest.TestReport]]]()


class NotRunError(Exception):
    """Why no kernel was booted for a module."""

    def __init__(self, reason: str, *, is_skip: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_skip = is_skip


def chosen_kernel(*, patches: bool) -> Kernel:
    """The kernel to run tests on, as the environment has it. Raises NotRunError where there is none."""
    from optdsl.lab.errors import LabError
    from optdsl.lab.kernels import Kernel, ensure_built, find_built

    debug = os.environ.get("OPTDSL_LAB_DEBUG") == "1"
    if folder := os.environ.get("OPTDSL_LAB_KERNEL"):
        return Kernel(Path(folder).absolute(), "", patches, debug)
    required = os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1"
    try:
        kernel = ensure_built(patches, debug) if required else find_built(patches, debug)
    except LabError as error:
        raise NotRunError(str(error), is_skip=not required) from error
    if kernel is None:
        options = f"--{'patches' if patches else 'vanilla'}{' --debug' if debug else ''}"
        raise NotRunError(f"no kernel: `optdsl lab build {options}` builds it", is_skip=True)
    return kernel


def report(item: pytest.Item) -> None:
    """Tells pytest of a test what it would tell if the test had run here; the first one boots its module."""
    known = item.session.stash.setdefault(_reports, {})
    if item.nodeid not in known:
        together = [each for each in item.session.items if each.path == item.path]
        known.update(_outcomes(item.config, together))
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for each in known[item.nodeid]:
        item.ihook.pytest_runtest_logreport(report=each)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _outcomes(config: pytest.Config, items: list[pytest.Item]) -> dict[str, list[pytest.TestReport]]:
    """Runs tests of one module in a lab; the reports of each."""
    try:
        return _Run(config, items).outcomes()
    except NotRunError as error:
        if error.is_skip:
            place = (str(items[0].path), 0, f"Skipped: {error.reason}")
            return {item.nodeid: [_made(item, "skipped", place)] for item in items}
        return {item.nodeid: [_made(item, "failed", error.reason)] for item in items}


class _Run:
    """One boot."""

    def __init__(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self._config = config
        self._items = items
        self._module = items[0].getparent(pytest.Module)
        factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
        self._folder = factory.mktemp(items[0].path.stem)

    def outcomes(self) -> dict[str, list[pytest.TestReport]]:
        """Boots, and reads what the lab has told. Raises NotRunError."""
        from optdsl.kernel.errors import KernelError

        series = self._says("KERNEL", "patched")
        if series not in ("patched", "vanilla"):
            raise NotRunError(f'KERNEL is {series!r}, and not "patched" or "vanilla"')
        kernel = chosen_kernel(patches=series == "patched")
        try:
            programs.compile_all(programs.named_in(self._items[0].path), self._folder, kernel.binary)
        except KernelError as error:
            raise NotRunError(str(error)) from error
        finished = self._boot(kernel)
        (self._folder / "kernel.log").write_text(finished.log)
        found, begun = self._told()
        lost = [item for item in self._items if not _is_complete(found.get(item.nodeid, []))]
        text = _story(finished)
        for item in lost:
            head = "the lab ended during this test" if begun == item.nodeid else "the lab ended before this test"
            found.setdefault(item.nodeid, []).append(_made(item, "failed", f"{head} {text}", "call"))
            text = "(see above)"
        if not lost:
            self._judge_log(finished, found)
        return found

    def _says(self, name: str, default: Any) -> Any:
        """A variable of the module."""
        return getattr(getattr(self._module, "obj", None), name, default)

    def _boot(self, kernel: Kernel) -> Finished:
        from optdsl.lab.errors import LabError
        from optdsl.lab.kernels import boot

        slower = _DEBUG_FACTOR if kernel.debug else 1
        # The lab's pytest: no time limits in simulated time, and no more failures than the host wants to see.
        options = ["-q", "--timeout=0", f"--maxfail={self._config.option.maxfail or 0}", "-p", "no:hypothesispytest"]
        command = [sys.executable, "-B", "-m", "pytest", *options, *(item.nodeid for item in self._items)]
        try:
            return boot(
                kernel,
                command,
                time=self._says("TIME", "simulated"),
                results=self._folder,
                timeout=slower * self._says("TIMEOUT", 300),
                memory_mb=slower * self._says("MEMORY", 1024),
                environment={**os.environ, lab_side.RESULTS: str(self._folder)},
                cwd=_ROOT,
            )
        except LabError as error:
            raise NotRunError(f"the kernel does not boot: {error}") from error

    def _told(self) -> tuple[dict[str, list[pytest.TestReport]], str | None]:
        """The reports that came out of the lab, and the test that began last."""
        found: dict[str, list[pytest.TestReport]] = {}
        begun = None
        file = self._folder / lab_side.REPORTS
        for line in file.read_text().splitlines() if file.exists() else []:
            try:
                told = json.loads(line)
            except ValueError:  # cut off by a panic
                break
            if "begins" in told:
                begun = told["begins"]
                continue
            made = self._config.hook.pytest_report_from_serializable(config=self._config, data=told["report"])
            if isinstance(made.longrepr, list):  # JSON has no tuples, and skips are told by one
                made.longrepr = tuple(made.longrepr)
            found.setdefault(told["nodeid"], []).append(made)
        return found, begun

    def _judge_log(self, finished: Finished, found: dict[str, list[pytest.TestReport]]) -> None:
        """Fails the module's last test at its end if the kernel has complained."""
        from optdsl.lab.kernels import problems

        if wrong := problems(finished.log):
            last = self._items[-1]
            log = self._folder / "kernel.log"
            names = shlex.join(item.name for item in self._items)
            text = "\n".join([f"the kernel log is not clean ({log}), after {names}:", "", *wrong])
            found[last.nodeid] = [each for each in found[last.nodeid] if each.when != "teardown"]
            found[last.nodeid].append(_made(last, "failed", text, "teardown"))


def _story(finished: Finished) -> str:
    """How a lab ended before its time: what it printed, and what the kernel has logged since its boot."""
    output = (finished.stdout + finished.stderr).decode(errors="replace").splitlines()
    log = finished.log.rpartition(" as init process\n")[2].splitlines()
    head = f"with status {finished.status} after {finished.seconds:.1f} s"
    return "\n".join([head, "", *output[-_MOST_LINES:], "", "kernel log:", *log[-_MOST_LINES:]])


def _is_complete(reports: list[pytest.TestReport]) -> bool:
    """Whether a test got to its end: its teardown is reported."""
    return any(each.when == "teardown" for each in reports)


def _made(item: pytest.Item, outcome: Any, longrepr: Any, when: Any = "setup") -> pytest.TestReport:
    """A report of our own."""
    is_required = outcome == "skipped" and os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1"
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed" if is_required else outcome,
        longrepr=longrepr,
        when=when,
    )
