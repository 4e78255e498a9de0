"""`selftest.opt` against the kernel's own selftest program, in both roles and against itself.

The kernel's program is an independent implementation of the same format, compiled from Debian's kernel source. What
must be on which packet was measured between two copies of it (`peer.expected`); ours has to take either place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from optdsl.lab.attach import attached
from optdsl.lab.hosts import Host, Lab, two_hosts
from peer import kernel_selftest, scenario
from peer.expected import EXPECTED, Carried, carried
from peer.option import NOTHING, Option
from peer.scenario import Scenario, run_scenario
from peer.selftest_side import SelftestSide
from samples.sample_objects import BACKENDS, compile_sample

pytestmark = pytest.mark.kernel

# The form under a kind of its own is another option; selftest.opt declares the experimental one.
_SCENARIOS = [each for each in scenario.SCENARIOS if each is not scenario.OTHER_KIND]


def _expected(chosen: Scenario, client_is_ours: bool) -> Carried:
    """The kernel's program never stops repeating once it has an option for its FIN; ours stops as it should."""
    expected = EXPECTED[chosen]
    if chosen is scenario.COOKIES_AND_FIN and client_is_ours:
        return replace(expected, later_acks=NOTHING)
    return expected


@dataclass(frozen=True)
class OurSide:
    """A side that runs `selftest.opt`; its results are the counters."""

    object_file: Path

    @contextmanager
    def attach(self, host: Host, chosen: Scenario) -> Iterator[Callable[[], dict[str, int]]]:
        with attached(self.object_file, host) as program:
            is_client = host.name.endswith("client")
            sends = chosen.sends
            greeting = sends.syn if is_client else sends.synack
            parting = sends.client_fin if is_client else sends.server_fin
            program.set_param("selftest.greet", int(greeting.flags != 0))
            program.set_param("selftest.part", int(parting.flags != 0))
            program.set_param("selftest.fin_random", parting.rand)
            yield lambda: program.counters()["selftest"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> SelftestSide:
    return SelftestSide(kernel_selftest.compiled(tmp_path_factory.mktemp("selftest")))


@pytest.fixture(scope="module", params=BACKENDS)
def ours(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OurSide:
    return OurSide(compile_sample("selftest", request.param, tmp_path_factory.mktemp("ours")))


def _count(steps: Any) -> int:
    return sum(step.option.flags != 0 for step in steps)


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("chosen", _SCENARIOS, ids=lambda chosen: chosen.name.replace(" ", "-"))
def test_our_client(
    lab: Lab, ours: OurSide, theirs: SelftestSide, tmp_path: Path, chosen: Scenario, ipv6: bool
) -> None:
    seen = run_scenario(lab, ours, theirs, chosen, tmp_path, ipv6=ipv6)
    expected = _expected(chosen, client_is_ours=True)
    assert carried(seen) == expected
    assert seen.server.passive_estab_in == expected.syn
    assert seen.server.passive_fin_in == expected.client_fin
    assert not seen.server.errors
    assert seen.client["sent"] == _count(seen.sent("client"))
    assert seen.client["received"] == _count(seen.sent("server"))
    assert seen.client["no_space"] == seen.client["bad_length"] == seen.client["set_failed"] == 0


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("chosen", _SCENARIOS, ids=lambda chosen: chosen.name.replace(" ", "-"))
def test_our_server(
    lab: Lab, ours: OurSide, theirs: SelftestSide, tmp_path: Path, chosen: Scenario, ipv6: bool
) -> None:
    seen = run_scenario(lab, theirs, ours, chosen, tmp_path, ipv6=ipv6)
    expected = _expected(chosen, client_is_ours=False)
    assert carried(seen) == expected
    assert seen.client.active_estab_in == expected.synack
    assert seen.client.active_fin_in == expected.server_fin
    assert not seen.client.errors
    assert seen.server["sent"] == _count(seen.sent("server"))
    assert seen.server["no_space"] == seen.server["bad_length"] == seen.server["set_failed"] == 0


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("chosen", _SCENARIOS, ids=lambda chosen: chosen.name.replace(" ", "-"))
def test_both_ours(lab: Lab, ours: OurSide, tmp_path: Path, chosen: Scenario, ipv6: bool) -> None:
    seen = run_scenario(lab, ours, ours, chosen, tmp_path, ipv6=ipv6)
    assert carried(seen) == _expected(chosen, client_is_ours=True)


def test_the_peers_promise_shortens_the_retransmission_timeout(
    lab: Lab, ours: OurSide, theirs: SelftestSide, tmp_path: Path
) -> None:
    seen = run_scenario(lab, ours, theirs, scenario.TIMERS, tmp_path)
    # Linux waits 200 ms at least; the server promises 22 ms, the client 11 ms.
    assert seen.client_info["rto"] < 60_000
    assert seen.server_info["rto"] < 60_000


def test_formats_agree() -> None:
    assert Option.of(max_delack_ms=11, rand=0xFA).encode() == bytes.fromhex("060bfa")
