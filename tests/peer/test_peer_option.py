"""The wire format of the kernel's selftest program, against the bytes of its description."""

import pytest

from peer.option import EXPERIMENTAL, NOTHING, OWN_KIND, Option, OptionFlag


@pytest.mark.parametrize(
    ("option", "experimental", "own_kind"),
    [
        (Option.of(max_delack_ms=11, rand=0xFA), "fe 07 eb 9f 06 0b fa", "b9 05 06 0b fa"),
        (Option.of(max_delack_ms=22, rand=0xCE, resend=True), "fe 07 eb 9f 07 16 ce", "b9 05 07 16 ce"),
        (Option.of(rand=0xFA), "fe 06 eb 9f 04 fa", "b9 04 04 fa"),
        (Option.of(max_delack_ms=0), "fe 06 eb 9f 02 00", "b9 04 02 00"),
        (Option.of(resend=True), "fe 05 eb 9f 01", "b9 03 01"),
        (NOTHING, "", ""),
    ],
)
def test_on_the_wire(option: Option, experimental: str, own_kind: str) -> None:
    assert EXPERIMENTAL.encode(option) == bytes.fromhex(experimental)
    assert OWN_KIND.encode(option) == bytes.fromhex(own_kind)
    if option.flags:
        assert Option.decode(bytes.fromhex(own_kind)[2:]) == option


@pytest.mark.parametrize("flags", range(8))
def test_there_and_back(flags: int) -> None:
    max_delack_ms = 200 if flags & OptionFlag.MAX_DELACK_MS else 0
    rand = 0x5A if flags & OptionFlag.RAND else 0
    option = Option(flags, max_delack_ms, rand)
    assert Option.decode(option.encode()) == option
    assert len(option.encode()) == 1 + (flags >> 1).bit_count()


@pytest.mark.parametrize("data", ["", "02", "06 0b", "06 0b fa 01", "04", "00 00", "01 00"])
def test_a_length_that_does_not_fit_the_flags(data: str) -> None:
    with pytest.raises(ValueError, match="not as long as its flags say"):
        Option.decode(bytes.fromhex(data))
