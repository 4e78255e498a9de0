"""`std.kinds`, `std.exids`, `std.dscp` and `std.congestion`: numbers against the registries, names against Linux."""

from __future__ import annotations

import pytest
from stdlib_programs import Probe, compiled, module, numbers

from optdsl import resources
from optdsl.semantics import model
from optdsl.semantics.kinds import KERNEL_KINDS
from optdsl.targets import registry
from optdsl.targets.registry import Status


def test_the_modules() -> None:
    assert resources.module_names() == ["congestion", "dscp", "exids", "kinds", "prefixes", "rates"]


def test_kinds_are_those_that_somebody_has() -> None:
    unowned = {kind for kind, owner in registry.OPTION_KINDS.items() if owner.status is Status.SQUATTED}
    kinds = numbers("kinds")
    assert set(kinds.values()) == set(registry.OPTION_KINDS) - unowned
    assert len(set(kinds.values())) == len(kinds)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("maximum_segment_size", "Maximum Segment Size"),
        ("user_timeout", "User Timeout Option"),
        ("multipath", "Multipath TCP (MPTCP)"),
        ("fast_open_cookie", "TCP Fast Open Cookie"),
        ("quick_start_response", "Quick-Start Response"),
        ("accurate_ecn_1", "Accurate ECN Order 1 (AccECN1)"),
        ("md5_signature", "MD5 Signature Option"),
        ("timestamps", "Timestamps"),
    ],
)
def test_kinds_have_the_names_of_the_registry(name: str, words: str) -> None:
    assert registry.OPTION_KINDS[numbers("kinds")[name]].name == words


def test_exids_are_those_that_the_clash_check_knows() -> None:
    exids = numbers("exids")
    assert set(exids.values()) == set(registry.EXIDS_16) | set(registry.EXIDS_32)
    assert len(set(exids.values())) == len(exids)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("host_id", "HOST_ID"),
        ("fast_open", "TCP Fast Open"),
        ("accurate_ecn", "Accurate ECN"),
        ("extended_data_offset", "Extended Data Offset"),
        ("ack_rate_request", "TCP ACK Rate Request"),
    ],
)
def test_exids_have_the_names_of_the_registry(name: str, words: str) -> None:
    assert registry.EXIDS_16[numbers("exids")[name]].name == words


def test_an_option_with_the_name_of_its_number_is_the_assigned_one() -> None:
    kinds = {f"kind {kind}": name for name, kind in numbers("kinds").items() if kind not in KERNEL_KINDS | {253, 254}}
    exids = {f"kind experimental 0x{exid:04X}": name for name, exid in numbers("exids").items()}
    for kind, name in (kinds | exids).items():
        compiled(f"option {name} {{ {kind} layout {{ value : u8 }} receive {{ socket.priority = value }} }}")


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("kind kinds.user_timeout", b"\x1c\0"),
        ("kind experimental exids.host_id", b"\xfd\0\x03\x48"),
        ("kind kinds.experiment_2 exid exids.smc_r", b"\xfe\0\xe2\xd4\xc3\xd9"),
    ],
)
def test_an_option_can_take_its_kind_from_a_module(kind: str, header: bytes) -> None:
    from stdlib_programs import load

    from optdsl.compiler import Options, analyse
    from optdsl.diagnostics import Diagnostics
    from optdsl.source import Source

    text = f"use std.kinds\nuse std.exids\noption own {{ {kind} layout {{ value : u8 }} receive {{ }} }}"
    checked = analyse([Source("test.opt", text)], Options("test"), load, Diagnostics())
    assert checked.options[0].layout.header == header


def test_code_points_are_those_of_their_rfcs() -> None:
    codes = numbers("dscp")
    expected = {f"cs{i}": 8 * i for i in range(8)}
    expected |= {f"af{klass}{drop}": 8 * klass + 2 * drop for klass in (1, 2, 3, 4) for drop in (1, 2, 3)}
    expected |= {"df": 0b000000, "le": 0b000001, "voice_admit": 0b101100, "ef": 0b101110}
    assert codes == expected


def test_type_of_service() -> None:
    tos = Probe("dscp.tos(code)", {"code": "u8 = 0 in 0..=63"}, "dscp")
    assert [tos(code=code) for code in (0, 1, 46, 63)] == [0x00, 0x04, 0xB8, 0xFC]
    back = Probe("dscp.of_tos(tos)", {"tos": "u8 = 0"}, "dscp")
    assert [back(tos=tos) for tos in (0x00, 0x03, 0xB8, 0xFF)] == [0, 0, 46, 63]


def test_a_code_point_can_be_set() -> None:
    compiled("""
        use std.dscp
        option background {
            kind experimental 0x5052
            layout { value : u8 }
            receive { socket.tos = dscp.tos(dscp.le) }
        }
    """)


def test_congestion_numbers_and_names_agree() -> None:
    table = module("congestion")["names"]
    assert isinstance(table, model.Table)
    names = {key: bytes(value).rstrip(b"\0").decode() for key, value in table.entries if isinstance(value, bytes)}
    assert {name: key for key, name in names.items()} == numbers("congestion")
    assert all(0 < len(name) < 16 for name in names.values()), "TCP_CA_NAME_MAX"
