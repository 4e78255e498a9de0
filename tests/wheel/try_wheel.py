"""Builds the wheel, installs it into an empty environment, and compiles a sample from a folder of its own.

Shows that the grammar, the standard library, the samples, the pages about diagnostics and the manual page travel in the
wheel. Run by `make wheel`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command outside the checkout; its output, or the end of this program with it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", ROOT, cwd=folder)
        (wheel,) = (folder / "dist").glob("optdsl-*.whl")
        venv.create(folder / "empty", with_pip=True)
        python = folder / "empty" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=folder)
        work = folder / "elsewhere"
        work.mkdir()
        # cc.opt uses a module of the standard library.
        (work / "cc.opt").write_text((ROOT / "samples" / "cc.opt").read_text(encoding="utf-8"), encoding="utf-8")
        optdsl = folder / "empty" / "bin" / "optdsl"
        run(optdsl, "compile", "cc.opt", "--quiet", cwd=work)
        listing = run(optdsl, "inspect", "cc.bpf.o", cwd=work)
        if (work / "cc.bpf.o").read_bytes()[:4] != b"\x7fELF" or "congestion_control" not in listing:
            sys.exit("the object compiled by the installed wheel is not what it should be")
        if not run(optdsl, "explain", "OPT0203", cwd=work).startswith("# OPT0203: "):
            sys.exit("the pages about diagnostics are not in the wheel")
        if not (folder / "empty" / "share" / "man" / "man1" / "optdsl.1").is_file():
            sys.exit("the wheel has no manual page")
        run(optdsl, "new", "my_option", cwd=work)
        run(optdsl, "check", "my_option.opt", cwd=work)
        print(f"{wheel.name}: installed into an empty environment, compiled cc.opt there")


if __name__ == "__main__":
    main()
