"""`std.rates` against exact numbers, at the edges of its ranges too. Units: bit/s, microseconds, bytes, segments."""

from __future__ import annotations

import pytest
from stdlib_programs import Probe, compiled, module

from optdsl.semantics.scope import FunctionSymbol

LARGEST = {"rate": 2**40 - 1, "duration": 2**42 - 1, "size": 2**48 - 1, "segments": 2**32 - 1}
MOST_SEGMENTS = 2**31 - 1
PARAMS = {
    "bandwidth": "rate = 0bps",
    "rtt": "duration = 0us",
    "time": "duration = 0us",
    "amount": "size = 0B",
    "window": "segments = 0mss",
    "mss": "segment_size = 1B",
    "positive_mss": "segment_size = 1B in 1B..=65535B",
    "percent": "u16 = 0",
    "part": "u64 = 0",
    "whole": "u64 = 0",
}


def probe(call: str) -> Probe:
    """A program that calls one function with params for arguments."""
    names = call[call.index("(") + 1 : -1].split(", ")
    return Probe(f"rates.{call}", {name: PARAMS[name] for name in names})


def test_every_function_is_tested_here() -> None:
    declared = {name for name, symbol in module("rates").items() if isinstance(symbol, FunctionSymbol)}
    assert declared == {
        "bandwidth_delay_product", "segments_for", "bytes_of", "window_for", "rate_of", "window_rate", "time_for",
        "percent_of", "pacing_rate", "segment_interval", "share",
    }  # fmt: skip


def test_bandwidth_delay_product() -> None:
    product = probe("bandwidth_delay_product(bandwidth, rtt)")
    assert product(bandwidth=0, rtt=0) == 0
    assert product(bandwidth=1_000_000_000, rtt=100_000) == 12_500_000
    assert product(bandwidth=7, rtt=1_000_000) == 0
    assert product(bandwidth=8, rtt=1_000_000) == 1
    assert product(bandwidth=10**11, rtt=10**8) == 1_250_000_000_000
    assert product(bandwidth=LARGEST["rate"], rtt=LARGEST["duration"]) == 1_250_000_000_000


def test_segments_for() -> None:
    segments = probe("segments_for(amount, positive_mss)")
    assert segments(amount=0, positive_mss=1460) == 0
    assert segments(amount=1, positive_mss=1460) == 1
    assert segments(amount=1460, positive_mss=1460) == 1
    assert segments(amount=1461, positive_mss=1460) == 2
    assert segments(amount=MOST_SEGMENTS, positive_mss=1) == MOST_SEGMENTS
    assert segments(amount=LARGEST["size"], positive_mss=1) == MOST_SEGMENTS
    assert segments(amount=LARGEST["size"], positive_mss=65_535) == MOST_SEGMENTS


def test_bytes_of() -> None:
    size = probe("bytes_of(window, mss)")
    assert size(window=10, mss=1460) == 14_600
    assert size(window=0, mss=65_535) == 0
    assert size(window=LARGEST["segments"], mss=65_535) == (2**32 - 1) * 65_535


def test_window_for() -> None:
    window = probe("window_for(bandwidth, rtt, positive_mss)")
    assert window(bandwidth=100_000_000, rtt=20_000, positive_mss=1448) == 173  # 250000 / 1448 = 172.7
    assert window(bandwidth=0, rtt=20_000, positive_mss=1448) == 2
    assert window(bandwidth=10**11, rtt=10**8, positive_mss=1) == MOST_SEGMENTS
    assert window(bandwidth=LARGEST["rate"], rtt=LARGEST["duration"], positive_mss=65_535) == 19_073_778


def test_rate_of() -> None:
    rate = probe("rate_of(amount, time)")
    assert rate(amount=12_500_000, time=1_000_000) == 100_000_000
    assert rate(amount=1, time=3_000_000) == 2
    assert rate(amount=0, time=0) == 0
    assert rate(amount=1, time=0) == 8_000_000
    assert rate(amount=125_000, time=1) == 10**12
    assert rate(amount=LARGEST["size"], time=0) == 10**12
    assert rate(amount=2 * 10**12, time=LARGEST["duration"]) == 2 * 10**12 * 8_000_000 // LARGEST["duration"]
    assert rate(amount=LARGEST["size"], time=LARGEST["duration"]) == 2 * 10**12 * 8_000_000 // LARGEST["duration"]


def test_window_rate() -> None:
    rate = probe("window_rate(window, mss, rtt)")
    assert rate(window=10, mss=1460, rtt=50_000) == 2_336_000
    assert rate(window=0, mss=0, rtt=0) == 0
    assert rate(window=LARGEST["segments"], mss=65_535, rtt=1) == 10**12


def test_time_for() -> None:
    time = probe("time_for(amount, bandwidth)")
    assert time(amount=12_500_000, bandwidth=100_000_000) == 1_000_000
    assert time(amount=1460, bandwidth=3_000_000) == 3_893  # 3893.3
    assert time(amount=0, bandwidth=0) == 0
    assert time(amount=1, bandwidth=0) == 8_000_000
    assert time(amount=LARGEST["size"], bandwidth=0) == 50 * 86_400_000_000
    assert time(amount=2 * 10**12, bandwidth=LARGEST["rate"]) == 2 * 10**12 * 8_000_000 // LARGEST["rate"]


@pytest.mark.parametrize(
    ("bandwidth", "percent", "expected"),
    [
        (10_000_000, 120, 12_000_000),
        (10_000_000, 0, 0),
        (99, 50, 49),
        (10**12, 100, 10**12),
        (10**12, 65_535, 10**12),
        (LARGEST["rate"], 100, 10**12),
    ],
)
def test_percent_of(bandwidth: int, percent: int, expected: int) -> None:
    assert probe("percent_of(bandwidth, percent)")(bandwidth=bandwidth, percent=percent) == expected


def test_pacing_rate() -> None:
    rate = probe("pacing_rate(window, mss, rtt, percent)")
    assert rate(window=10, mss=1460, rtt=50_000, percent=200) == 4_672_000
    assert rate(window=0, mss=1460, rtt=50_000, percent=200) == 8
    assert rate(window=LARGEST["segments"], mss=65_535, rtt=0, percent=65_535) == 34_359_738_360


def test_segment_interval() -> None:
    interval = probe("segment_interval(mss, bandwidth)")
    assert interval(mss=1500, bandwidth=12_000_000) == 1_000
    assert interval(mss=0, bandwidth=0) == 0
    assert interval(mss=65_535, bandwidth=0) == 65_535 * 8_000_000


def test_share() -> None:
    share = probe("share(part, whole)")
    assert share(part=1, whole=3) == 333_300  # 33.33 %, in millionths
    assert share(part=3, whole=3) == 1_000_000
    assert share(part=4, whole=3) == 1_000_000
    assert share(part=0, whole=0) == 0
    assert share(part=1, whole=0) == 1_000_000
    assert share(part=0, whole=2**64 - 1) == 0
    assert share(part=2**64 - 1, whole=2**64 - 1) == 1_000_000
    assert share(part=2**63, whole=2**64 - 1) == 500_000
    assert share(part=2**64 - 1, whole=1) == 1_000_000
    assert share(part=1_800_000_000_000_000, whole=3_600_000_000_000_000) == 500_000
    assert share(part=1_800_000_000_000_001, whole=3_600_000_000_000_002) == 500_000


def test_attributes_can_be_arguments() -> None:
    """The ranges of the kernel's own values pass without `clamp`."""
    compiled("""
        use std.rates
        option limit {
            kind experimental 0x5052
            layout { wanted : u16 of 1mbps in 1mbps..=65535mbps }
            state limit : rate = 0bps
            receive { limit = wanted }
            on rtt {
                socket.cwnd_clamp = rates.window_for(limit, socket.srtt, socket.mss)
                socket.max_pacing_rate = rates.pacing_rate(socket.cwnd, socket.mss, socket.srtt, 120)
            }
        }
    """)
