"""The events of stock kernels, all delivered with a full socket whose lock is held."""

from __future__ import annotations

from optdsl.targets.event import ArgumentIs, Event, Trigger
from optdsl.targets.sockops import CallbackFlag, SockOp, TcpState
from optdsl.targets.vocabulary import Role

EVENTS = (
    Event(
        "connect",
        "A SYN is about to be sent; addresses and ports are known.",
        "net/ipv4/tcp_output.c: tcp_connect",
        (Trigger(SockOp.TCP_CONNECT_CB, Role.CLIENT),),
        roles=frozenset({Role.CLIENT}),
    ),
    Event(
        "listen",
        "A socket starts to listen; accepted connections inherit its callback flags.",
        "net/ipv4/af_inet.c: inet_listen",
        (Trigger(SockOp.TCP_LISTEN_CB),),
        roles=frozenset(),
    ),
    Event(
        "established",
        "The handshake is complete on this side.",
        "net/ipv4/tcp_input.c: tcp_init_transfer",
        (
            Trigger(SockOp.ACTIVE_ESTABLISHED_CB, Role.CLIENT),
            Trigger(SockOp.PASSIVE_ESTABLISHED_CB, Role.SERVER),
        ),
    ),
    Event(
        "rtt",
        "The smoothed RTT was updated: on the first sample, then about once a round trip.",
        "net/ipv4/tcp_input.c: tcp_rtt_estimator",
        (Trigger(SockOp.RTT_CB),),
        CallbackFlag.RTT,
    ),
    Event(
        "rto",
        "The retransmission timer expired.",
        "net/ipv4/tcp_timer.c: tcp_write_timeout",
        (Trigger(SockOp.RTO_CB),),
        CallbackFlag.RTO,
    ),
    Event(
        "retransmit",
        "A segment is being retransmitted.",
        "net/ipv4/tcp_output.c: __tcp_retransmit_skb",
        (Trigger(SockOp.RETRANS_CB),),
        CallbackFlag.RETRANS,
    ),
    Event(
        "closed",
        "The connection is over for this socket (also when TIME-WAIT takes it over).",
        "net/ipv4/tcp.c: tcp_set_state",
        # args[0] is the state before, args[1] the new one.
        (Trigger(SockOp.STATE_CB, condition=ArgumentIs(1, TcpState.CLOSE)),),
        CallbackFlag.STATE,
    ),
)
