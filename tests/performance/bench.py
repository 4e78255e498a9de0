"""`make bench`: measures all figures, writes docs/performance.md for people and build/bench.json for programs.

    python -m performance.bench                    # everything, ten minutes at most; needs root, clang and iperf3
    python -m performance.bench --quick            # a look whether it works: less than a minute, no figure to rely on
    python -m performance.bench --only start,size  # some figures, printed only

Run it from `tests`, or with `tests` in PYTHONPATH, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Final

from optdsl.kernel.errors import KernelError
from optdsl.lab.errors import LabError
from performance.machine_report import machine, machine_table
from performance.measuring import Effort, Figure

FIGURES: Final = ("start", "growth", "size", "callbacks", "traffic")
_ROOT: Final = Path(__file__).resolve().parents[2]
_COMMAND: Final = "PYTHONPATH=tests .venv/bin/python -m performance.bench --only {}"
_HEAD: Final = """\
# Performance

Written by `make bench`; do not edit. Behind each figure stands the command that gives it alone.

{machine}
"""


def main(argv: list[str] | None = None) -> int:
    """Measures and writes; what is missing on this machine is said in a line."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except (KernelError, LabError) as error:
        print(f"\nbench: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    names = arguments.only.split(",") if arguments.only else FIGURES
    about, figures = machine(), {}
    for name in names:
        start = time.monotonic()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        figures[name] = importlib.import_module(f"performance.figure_{name}").measure(Effort(arguments.quick))
        print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    text = document(about, figures)
    if arguments.only:
        print(text)
        return 0
    data = {"machine": about, "quick": arguments.quick, **{name: figure.data for name, figure in figures.items()}}
    for path, content in ((arguments.document, text), (arguments.data, json.dumps(data, indent=1) + "\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(f"written {path}", file=sys.stderr)
    return 0


def document(about: dict[str, str], figures: dict[str, Figure]) -> str:
    """The whole document."""
    sections = [_HEAD.format(machine=machine_table(about))]
    for name, figure in figures.items():
        sections.append(f"## {figure.title}\n\n{figure.text}\n`{_COMMAND.format(name)}`\n")
    return "\n".join(sections)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="measures the compiler and what it generates")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it work?")
    parser.add_argument("--only", metavar="NAME,...", help=f"some of {', '.join(FIGURES)}; prints, writes nothing")
    parser.add_argument("--document", type=Path, default=_ROOT / "docs" / "performance.md", help="the Markdown file")
    parser.add_argument("--data", type=Path, default=_ROOT / "build" / "bench.json", help="the JSON file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
