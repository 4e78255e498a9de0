"""The objects of the samples: they load, say nothing of the machine that made them, and bpftool knows their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import optdsl
from optdsl import resources
from optdsl.elf.object import read_object
from optdsl.kernel import bpftool
from optdsl.lab.attach import AttachedProgram, attached
from samples.conftest import Peers
from samples.conversation import conversation
from samples.sample_objects import compile_sample

pytestmark = pytest.mark.kernel

SAMPLES = sorted(path.stem for path in resources.folder("samples").glob("*.opt"))
SECOND = 1_000_000
"""Durations are in microseconds."""
FREE = {"address": [0] * 16, "length": 0}
"""An entry of a list of prefixes."""
PARAMS: dict[str, dict[str, dict[str, object]]] = {
    "cc": {"congestion_control": {"wanted": 3}},
    "delack": {"delayed_ack": {"divisor": 2, "threshold": 4}},
    "iw": {
        "initial_window": {
            "wanted": 32,
            "trusted": [
                {"address": [0] * 10 + [255, 255, 10, 0, 0, 0], "length": 104},
                {"address": [0] * 10 + [255, 255, 192, 168, 0, 0], "length": 112},
                {"address": [0xFD] + [0] * 15, "length": 8},
                *[FREE] * 13,
            ],
        }
    },
    "uto": {"user_timeout": {"announced": 30 * SECOND, "lower": 10 * SECOND, "upper": 3600 * SECOND}},
}
"""By sample: what bpftool shows of a program that nobody has touched."""
COUNTERS = {
    "cc": {"unknown_algorithm", "set_failed"},
    "delack": {"bad_rtt_divisor", "bad_segments", "set_failed"},
    "iw": {"bad_window", "set_failed"},
    "uto": {"set_failed"},
}
"""By sample: the counters that its own statements need."""
ALWAYS_COUNTED = {"sent", "received", "bad_length", "load_failed", "no_space", "store_failed"}


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_object_loads_and_is_named(peers: Peers, compiled: Callable[..., Path], backend: str, sample: str) -> None:
    object_file = compiled(backend, sample)
    with attached(object_file, peers.lab.client) as program:
        (shown,) = bpftool.attached(peers.lab.client.cgroup)
        assert (shown["attach_type"], shown["attach_flags"]) == ("cgroup_sock_ops", "multi")
        assert shown["name"].startswith(sample)  # with an addition where an option has the name of its file
        maps = {bpftool.map_info(pin)["name"] for pin in program.pinned.maps()}
        assert maps >= {"sockets", "counters", ".data.params"}
    made = read_object(object_file.read_bytes())
    assert made.license == "GPL"
    assert [function.name for function in made.programs] == [shown["name"]]


@pytest.mark.parametrize("sample", sorted(PARAMS))
def test_bpftool_shows_params_and_counters(
    peers: Peers, compiled: Callable[..., Path], backend: str, sample: str
) -> None:
    with attached(compiled(backend, sample), peers.lab.client) as program:
        assert program.params() == PARAMS[sample] | {"settings": {"until_acked_packets": 16}}
        (option,) = PARAMS[sample]
        assert program.counters() == {option: dict.fromkeys(ALWAYS_COUNTED | COUNTERS[sample], 0)}
        with conversation(peers) as talk:
            talk.ask(10)
        assert total(program) > 0
        for name, value in PARAMS[sample][option].items():
            if isinstance(value, int):
                program.set_param(f"{option}.{name}", value + 1)
                assert program.params()[option][name] == value + 1


def total(program: AttachedProgram) -> int:
    """All that was counted."""
    return sum(count for option in program.counters().values() for count in option.values())


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_object_is_the_same_wherever_it_is_made(
    compiled: Callable[..., Path], backend: str, sample: str, tmp_path: Path
) -> None:
    first = compiled(backend, sample)
    second = compile_sample(sample, backend, tmp_path)
    assert first.parent != second.parent
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("sample", SAMPLES)
def test_nothing_of_this_machine_is_in_the_object(compiled: Callable[..., Path], backend: str, sample: str) -> None:
    made = compiled(backend, sample)
    data = made.read_bytes()
    for place in (Path.home(), made.parent, Path(optdsl.__file__).parents[1]):
        assert bytes(place) not in data
    # Only the names of sources; clang knows its headers by absolute names, which are the same everywhere.
    paths = {path.decode() for path in re.findall(rb"(?<![\w./-])/[\w.-]+/[\w./-]+", data)}
    assert all(path.startswith("/usr/") for path in paths)
    assert f"{sample}.opt".encode() in data
