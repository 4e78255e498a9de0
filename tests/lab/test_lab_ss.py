"""Reading what ss prints."""

import pytest

from optdsl.lab.sockets import Endpoint, parse_ss

TEXT = """\
LISTEN 0      5      0.0.0.0:33333      0.0.0.0:*     ino:1 sk:1 cgroup:/x <-> cubic cwnd:10
ESTAB 0      36     192.0.2.1:51760 192.0.2.2:34227 timer:(on,200ms,0) ino:17 sk:3 cgroup:/x <-> ts sack bbr \
wscale:10,10 rto:204 rtt:0.049/0.019 cwnd:10 bbr:(bw:0bps,mrtt:0.01) send 2364081633bps lastsnd:24 \
pacing_rate 4680404040bps delivered:2 app_limited busy:4ms minrtt:0.049
SYN-SENT 0 1 [2001:db8::1]%eth0:5000 [2001:db8::2]:80 timer:(on,580ms,1)
not a socket
"""


def test_a_connection() -> None:
    connection = parse_ss(TEXT)[1]
    assert (connection.state, connection.recv_q, connection.send_q) == ("ESTAB", 0, 36)
    assert connection.local == Endpoint("192.0.2.1", 51760)
    assert connection.remote == Endpoint("192.0.2.2", 34227)
    assert connection.number("cwnd") == 10
    assert connection.number("rtt") == 0.049
    assert connection.number("send") == 2364081633
    assert connection.number("busy") == 4
    assert connection.details["timer"] == "(on,200ms,0)"
    assert connection.details["bbr"] == "(bw:0bps,mrtt:0.01)"
    assert connection.details["app_limited"] == ""
    assert connection.raw.startswith("ESTAB")


def test_other_sockets() -> None:
    listener, _, connecting = parse_ss(TEXT)
    assert (listener.local, listener.remote) == (Endpoint("0.0.0.0", 33333), Endpoint("0.0.0.0", 0))
    assert connecting.local == Endpoint("2001:db8::1", 5000)
    assert connecting.remote == Endpoint("2001:db8::2", 80)


def test_details_that_are_no_numbers() -> None:
    connection = parse_ss(TEXT)[1]
    with pytest.raises(KeyError):
        connection.number("rcv_space")
    with pytest.raises(KeyError, match="not a number"):
        connection.number("timer")
