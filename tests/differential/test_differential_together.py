"""Two programs on one host: what one of them asks the kernel for stays asked for when the other one asks as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from differential.objects import BACKENDS, attached
from differential.programs import exchange
from lower.driver import lowered, option
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.remote import RemotePeer

pytestmark = pytest.mark.kernel

LISTENING: Final = option(
    "layout { x : u8 } receive { emit came { x } } on rtt { emit sampled { n: 1 } } on closed { emit over { n: 2 } }",
    "listening", 0x4C01,
)  # fmt: skip
"""Asks for callbacks on received options, on RTT samples and on changes of the state."""
SENDING: Final = option("layout { y : u8 } send on data { y = 7 }", "sending", 0x4C02)
"""Asks for the callbacks of sending alone."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.mark.parametrize("listening_first", [True, False], ids=["listening-first", "sending-first"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_callbacks_of_others_are_kept(backend: str, listening_first: bool, lab: Lab, tmp_path: Path) -> None:
    texts = {"listening": LISTENING, "sending": SENDING}
    first, second = sorted(texts, reverse=not listening_first)
    client, server = RemotePeer(lab.client), RemotePeer(lab.server)
    with (
        attached(lowered(texts[first], name=first), backend, tmp_path, lab.client) as one,
        attached(lowered(texts[second], name=second), backend, tmp_path, lab.client) as other,
    ):
        listener = server.listen()
        connection = client.connect(lab.server.address(), listener.port)
        accepted = server.accept(listener)
        exchange(connection, accepted)
        for each in (connection, accepted, listener):
            each.close()
        listening, sending = (one, other) if listening_first else (other, one)
        counters = sending.counters()["sending"]
        assert isinstance(counters, dict)
        assert counters["sent"] == 3
        forms = [set(record) - {"record"} for record in listening.records() if isinstance(record, dict)]
        assert len(forms) >= 2
