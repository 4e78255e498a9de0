"""The machine and the tools that figures were measured with."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from optdsl.kernel import tools
from performance.measuring import table


def machine() -> dict[str, str]:
    """Names and versions, by what they are of."""
    return {
        "processor": _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "processors": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {_first(r'([0-9.]+)', platform.release())}",
        "Python": platform.python_version(),
        "llvmlite": _llvmlite(),
        "clang": _first(r"version ([\w.]+)", tools.run(["clang", "--version"]).stdout),
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def machine_table(found: dict[str, str]) -> str:
    """The same in Markdown."""
    return table(("of", "what"), list(found.items())).replace("---:", "---")


def _llvmlite() -> str:
    import llvmlite
    from llvmlite import binding

    return f"{llvmlite.__version__} (LLVM {'.'.join(str(part) for part in binding.llvm_version_info[:2])})"


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else "unknown"
