"""The facts about this machine."""

from pathlib import Path

import pytest

from optdsl.kernel import bpf_syscall, probe, probe_kernel, probe_tools, tools
from optdsl.kernel.errors import KernelError
from optdsl.kernel.finding import Finding, State


@pytest.fixture(autouse=True)
def forget_answers() -> None:
    probe.why_not_kernel_tests.cache_clear()


def test_every_check_answers() -> None:
    found = probe.findings()
    names = [finding.name for finding in found]
    assert len(names) == len(set(names))
    assert {"kernel", "privileges", "cgroup v2", "sock_ops", "libbpf", "bpftool"} <= set(names)
    assert all(finding.detail for finding in found)
    assert all(not finding.fix for finding in found if finding.state is State.OK)


def test_nothing_raises_on_a_bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(tools, "which", lambda _: None)
    monkeypatch.setattr(probe_kernel, "loaded_sock_ops", refuse)
    by_name = {finding.name: finding for finding in probe.findings()}
    assert by_name["privileges"].state is State.FAIL
    assert by_name["cgroup v2"].state is State.FAIL
    assert by_name["bpftool"] == Finding(
        "bpftool", State.WARN, "not installed: " + probe_tools.program("bpftool").detail[15:], "apt install bpftool"
    )
    assert by_name["HZ"].state is State.WARN
    reason = probe.why_not_kernel_tests()
    assert reason is not None
    assert reason.startswith("privileges: ")


def test_an_old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.release", lambda: "5.4.0-42-generic")
    assert probe_kernel.kernel_version().state is State.FAIL
    assert probe.why_not_kernel_tests() == "kernel: Linux 5.4.0-42-generic: TCP header options need 5.10"


def test_options_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# CONFIG_VETH is not set\nCONFIG_BPF_SYSCALL=y\nCONFIG_CGROUP_BPF=y\nCONFIG_HZ=100\n"
    monkeypatch.setattr(probe_kernel, "_configuration_texts", lambda: iter([text]))
    assert probe_kernel.kernel_options() == {"BPF_SYSCALL": "y", "CGROUP_BPF": "y", "HZ": "100"}
    assert probe_kernel.configuration().state is State.WARN
    assert "CONFIG_VETH" in probe_kernel.configuration().detail
    assert "above 10 ms" in probe_kernel.timer_frequency().detail


def test_a_kernel_without_cgroup_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_kernel, "kernel_options", lambda: {"BPF_SYSCALL": "y"})
    finding = probe_kernel.configuration()
    assert finding.state is State.FAIL
    assert "CONFIG_CGROUP_BPF" in finding.detail


def test_a_missing_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "which", lambda _: None)
    with pytest.raises(KernelError, match=r"ss is not installed.*\nDebian: apt install iproute2"):
        tools.find("ss")


@pytest.mark.kernel
def test_the_live_probes_succeed() -> None:
    assert probe_kernel.sock_ops_attachment().state is State.OK
    assert probe_kernel.header_options().state is State.OK
    assert probe_kernel.network_namespaces().state is State.OK
    assert probe.why_not_kernel_tests() is None


def test_a_program_that_the_verifier_refuses_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: bytes) -> None:
        raise KernelError("cannot load a sock_ops program", 13, "", "0: (85) call 144\ninvalid func unknown#144\n")

    monkeypatch.setattr(probe_kernel, "loaded_sock_ops", refuse)
    found = probe_kernel.header_options()
    assert found.state is State.FAIL
    assert "verifier: invalid func unknown#144" in found.detail
    assert found.fix == "boot Linux 5.10 or newer"


@pytest.mark.kernel
def test_the_verifiers_words_come_with_the_refusal() -> None:
    exit_without_result = bpf_syscall.instruction(0x95)
    with (
        pytest.raises(KernelError, match="verifier: R0 !read_ok"),
        bpf_syscall.loaded_sock_ops(exit_without_result),
    ):
        pass
