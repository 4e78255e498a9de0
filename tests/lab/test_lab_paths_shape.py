"""Shapes of paths: what they refuse, what they are written as, what netem is told."""

from __future__ import annotations

import pytest

from optdsl.lab.errors import LabError
from optdsl.lab.paths.shape import Shape, shape_of, shapes_of


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", Shape()),
        ("delay=40ms", Shape(delay=0.040)),
        ("delay=1.5s, jitter=250us", Shape(delay=1.5, jitter=250e-6)),
        ("loss=0.5", Shape(loss=0.5)),
        ("loss=30%", Shape(loss=30)),
        ("rate=20mbit,queue=50", Shape(rate=20_000_000, queue=50)),
        ("rate=1.5Gbit", Shape(rate=1_500_000_000)),
    ],
)
def test_a_shape_is_read(text: str, shape: Shape) -> None:
    assert shape_of(text) == shape


def test_the_way_back_may_differ() -> None:
    there, back = shapes_of("delay=40ms,rate=20mbit/rate=1mbit")
    assert there == Shape(delay=0.040, rate=20_000_000)
    assert back == Shape(delay=0.040, rate=1_000_000)
    assert shapes_of("loss=1") == (Shape(loss=1), Shape(loss=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dleay=3ms", "`dleay` is no property of a path; there are: delay, jitter, loss, rate, queue"),
        ("delay=3", "`delay=3` is not understood; write delay=40ms"),
        ("delay", "`delay=` is not understood; write delay=40ms"),
        (f"rate={'9' * 320}gbit", "the number of `rate` is too large; write rate=20mbit"),
        (f"delay={'9' * 320}s", "the number of `delay` is too large; write delay=40ms"),
        (f"queue={'9' * 320}", "the number of `queue` is too large; write queue=100"),
        ("rate=20", "`rate=20` is not understood; write rate=20mbit"),
        ("queue=many", r"`queue=many` is not understood; write queue=100 \(packets\)"),
        ("loss=101", "cannot lose 101 % of its packets"),
        ("jitter=3ms", "cannot have a delay of 0 s with a jitter of 0.003 s"),
        ("rate=1mbit,queue=0", "cannot have a rate of 1000000 bit/s and a queue of 0 packets"),
    ],
)
def test_a_shape_that_makes_no_sense(text: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        shape_of(text)


@pytest.mark.parametrize("delay", [float("inf"), float("nan")])
def test_a_delay_that_is_no_number_of_seconds(delay: float) -> None:
    with pytest.raises(LabError, match="a path cannot have a delay of"):
        Shape(delay=delay)


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        (Shape(delay=0.040), "limit 1000000 delay 40000us rate 0bit"),
        (Shape(delay=0.040, jitter=0.005), "limit 1000000 delay 40000us 5000us rate 0bit"),
        (Shape(loss=2.5), "limit 1000000 loss 2.5% rate 0bit"),
        (Shape(rate=8_000_000, queue=30), "limit 30 rate 8000000bit"),
        (Shape(delay=0.1, rate=12_112_000, queue=30), "limit 130 delay 100000us rate 12112000bit"),
    ],
)
def test_netem_is_told(shape: Shape, arguments: str) -> None:
    assert " ".join(shape.netem()) == arguments
    assert not shape.is_plain


def test_a_plain_path_needs_no_netem() -> None:
    assert Shape().is_plain
    assert Shape(queue=10).is_plain
