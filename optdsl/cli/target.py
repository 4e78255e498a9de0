"""`--target` and `--kernel`: the target that they name, or a usage error that lists what there is."""

from __future__ import annotations

import argparse

from optdsl.cli.errors import UsageError
from optdsl.targets import (
    KernelVersion,
    Target,
    TargetName,
    UnavailableTarget,
    UnknownKernel,
    UnknownTarget,
    find_target,
    parse_kernel,
    series_of,
)


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the two options."""
    parser.add_argument("--kernel", metavar="VERSION", help="the oldest kernel to run on, such as 6.1")
    parser.add_argument(
        "--target",
        metavar="TARGET",
        default=TargetName.MAINLINE.value,
        help="what to compile for (default: %(default)s)",
    )


def chosen_target(arguments: argparse.Namespace) -> Target:
    """The target of a command line. Raises UsageError for names and versions that the tables do not have."""
    kernel = None if arguments.kernel is None else _kernel(arguments.kernel)
    match find_target(arguments.target, kernel):
        case Target() as target:
            return target
        case UnavailableTarget(name=name):
            text = f"target `{name}` cannot be compiled for yet"
            raise UsageError(text, ("note", "it needs the series in kernel-patches/"))
        case UnknownTarget(name=name, known=known):
            from difflib import get_close_matches

            hints = [("help", f"did you mean `{near}`?") for near in get_close_matches(name, known, n=1)]
            raise UsageError(f"unknown target `{name}`", ("note", f"known targets: {', '.join(known)}"), *hints)


def _kernel(text: str) -> KernelVersion:
    found = parse_kernel(text.removeprefix("v"))
    if not isinstance(found, UnknownKernel):
        return found
    known = [str(version) for version in found.known]
    covered = series_of(text.removeprefix("v"))
    from difflib import get_close_matches

    hints = [f"did you mean `{near}`?" for near in get_close_matches(text, known, n=1)]
    if isinstance(covered, KernelVersion):
        hints = [f"use `--kernel {covered}`: what runs on Linux {covered} runs on newer ones too"]
    first = found.known[0]
    note = ("note", f"known versions: {', '.join(known)}; programs write and read options from {first} on")
    raise UsageError(f"unknown kernel version `{text}`", note, *(("help", hint) for hint in hints))
