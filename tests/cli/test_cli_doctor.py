"""The doctor's text, its verdict, and that it looks at this machine."""

from __future__ import annotations

from pathlib import Path

from cli_run import run

from optdsl.cli.doctor import code_generation, doctor_text, obstacles
from optdsl.diagnostics.render import Style
from optdsl.kernel.finding import State, fail, ok, warn


def test_findings_are_a_table_with_remedies_below() -> None:
    found = [
        ok("kernel", "Linux 6.18"),
        warn("JIT", "off: programs are interpreted", "sysctl -w net.core.bpf_jit_enable=1"),
        fail("sock_ops", "cannot load\nOperation not permitted", "sudo -s"),
    ]
    assert doctor_text(found, Style()) == (
        "ok    kernel    Linux 6.18\n"
        "warn  JIT       off: programs are interpreted\n"
        "                fix: sysctl -w net.core.bpf_jit_enable=1\n"
        "fail  sock_ops  cannot load\n"
        "                Operation not permitted\n"
        "                fix: sudo -s\n"
        "\n"
        "Programs cannot be loaded here because of: sock_ops.\n"
    )
    no_llvm = doctor_text([fail("LLVM", "missing"), fail("sock_ops", "no")], Style())
    assert no_llvm.endswith("\nPrograms cannot be compiled here because of: LLVM, sock_ops.\n")


def test_what_only_the_lab_needs_stops_nobody() -> None:
    found = [ok("kernel", "fine"), fail("network namespaces", "no"), warn("bpftool", "not installed")]
    assert obstacles(found) == []
    assert doctor_text(found, Style()).endswith("\nPrograms can be compiled, loaded and attached here.\n")
    assert obstacles([fail("cgroup v2", "not mounted")])


def test_objects_can_be_made_here() -> None:
    assert code_generation().state is State.OK


def test_the_verdict_is_the_status(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith("ok    LLVM")
    can_run = done.stdout.endswith("Programs can be compiled, loaded and attached here.\n")
    assert done.returncode == (0 if can_run else 1)
