"""Values by BTF in the terms of this package: its errors, and sums over CPUs."""

import errno
import struct

import pytest

from optdsl.elf.btf_types import Btf, Composite, DataSection, Int, Member, Placement, Variable, Void
from optdsl.kernel.btf import decode, read_raw, replaced, total
from optdsl.kernel.errors import KernelError

SECTION = 4
TYPES = Btf(
    (
        Void(),
        Int("u8", 1, 8, 0, False, False),
        Composite("struct", "params", 2, (Member("divisor", 1, 0, 0), Member("limit", 1, 8, 0))),
        Variable("delayed_ack", 2, "global"),
        DataSection(".data.params", 2, (Placement(3, 0, 2),)),
    ),
    b"",
)


def test_values_are_decoded_and_replaced() -> None:
    changed = replaced(TYPES, SECTION, b"\2\4", "delayed_ack.limit", 9)
    assert decode(TYPES, SECTION, changed) == {"delayed_ack": {"divisor": 2, "limit": 9}}


@pytest.mark.parametrize(
    ("path", "value", "number", "hint"),
    [
        ("delayed_ack.divisr", 1, errno.ENOENT, "it has: divisor, limit"),
        ("delayed_ack", 1, errno.EINVAL, ""),
        ("delayed_ack.divisor", 256, errno.ERANGE, "it holds 0..=255"),
    ],
)
def test_what_cannot_be_replaced(path: str, value: int, number: int, hint: str) -> None:
    with pytest.raises(KernelError) as caught:
        replaced(TYPES, SECTION, b"\2\4", path, value)
    assert (caught.value.errno, caught.value.message) == (number, hint)


def test_a_value_that_ends_too_early() -> None:
    with pytest.raises(KernelError, match="cannot decode the value") as caught:
        decode(TYPES, SECTION, b"\2")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("data", [b"", b"junk" * 10, struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 12, 12, 0)])
def test_malformed_btf(data: bytes) -> None:
    with pytest.raises(KernelError, match="malformed BTF") as caught:
        read_raw(data)
    assert caught.value.errno == errno.EINVAL


def test_total_adds_number_by_number() -> None:
    assert total([{"a": {"b": 1}, "c": [1, 2.5]}, {"a": {"b": 10}, "c": [3, 4]}]) == {"a": {"b": 11}, "c": [4, 6.5]}
