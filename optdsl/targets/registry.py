"""Assigned TCP option kinds and experiment identifiers, to warn before a program takes one that belongs to somebody.

From IANA's registry "Transmission Control Protocol (TCP) Parameters" (https://www.iana.org/assignments/tcp-parameters)
of late 2025; the ExIDs as far as Wireshark 4.0 (`epan/dissectors/packet-tcp.c`) and the RFCs name them. The registry
grows: a number that is missing here need not be free.
"""

from enum import StrEnum

from optdsl.record import record


class Status(StrEnum):
    """What it means to use a number."""

    ASSIGNED = "assigned"
    OBSOLETE = "obsolete"
    EXPERIMENTAL = "experimental"  # shared by all experiments, told apart by ExID (RFC 6994)
    SQUATTED = "squatted"  # in use on the Internet without an assignment


@record
class Assignment:
    """Who has a number: the name, and the document or the person behind it."""

    name: str
    reference: str
    status: Status = Status.ASSIGNED


_IANA = "IANA tcp-parameters"
_SQUATTED = Assignment("known unauthorized use without proper IANA assignment", _IANA, Status.SQUATTED)


def _obsolete(name: str, reference: str) -> Assignment:
    return Assignment(name, reference, Status.OBSOLETE)


#: Kinds 253 and 254, whose options begin with an ExID of two or four bytes (RFC 6994).
EXPERIMENTAL_KINDS = (253, 254)

#: The kind of MPTCP, whose options are told apart by the four bits behind the length (RFC 8684, section 3).
MPTCP_KIND = 30

#: Kinds that Linux reads since AccECN came to it (`tcp_parse_options`, seen on 6.18). They are no unknown options to it
#: then, so a program that wants them has to be called for every packet.
KNOWN_TO_NEWER_KERNELS = frozenset({172, 174})

#: By kind, 0..=255. A kind that is not listed is reserved by IANA and unused as far as is known.
OPTION_KINDS = {
    0: Assignment("End of Option List", "RFC 9293"),
    1: Assignment("No-Operation", "RFC 9293"),
    2: Assignment("Maximum Segment Size", "RFC 9293"),
    3: Assignment("Window Scale", "RFC 7323"),
    4: Assignment("SACK Permitted", "RFC 2018"),
    5: Assignment("SACK", "RFC 2018"),
    6: _obsolete("Echo", "RFC 1072, RFC 6247"),
    7: _obsolete("Echo Reply", "RFC 1072, RFC 6247"),
    8: Assignment("Timestamps", "RFC 7323"),
    9: _obsolete("Partial Order Connection Permitted", "RFC 1693, RFC 6247"),
    10: _obsolete("Partial Order Service Profile", "RFC 1693, RFC 6247"),
    11: _obsolete("CC", "RFC 1644, RFC 6247"),
    12: _obsolete("CC.NEW", "RFC 1644, RFC 6247"),
    13: _obsolete("CC.ECHO", "RFC 1644, RFC 6247"),
    14: _obsolete("TCP Alternate Checksum Request", "RFC 1146, RFC 6247"),
    15: _obsolete("TCP Alternate Checksum Data", "RFC 1146, RFC 6247"),
    16: Assignment("Skeeter", "Stev Knowles"),
    17: Assignment("Bubba", "Stev Knowles"),
    18: Assignment("Trailer Checksum Option", "Subbu Subramaniam, Monroe Bridges"),
    19: _obsolete("MD5 Signature Option", "RFC 2385"),
    20: Assignment("SCPS Capabilities", "Keith Scott"),
    21: Assignment("Selective Negative Acknowledgements", "Keith Scott"),
    22: Assignment("Record Boundaries", "Keith Scott"),
    23: Assignment("Corruption experienced", "Keith Scott"),
    24: Assignment("SNAP", "Vladimir Sukonnik"),
    26: Assignment("TCP Compression Filter", "Steve Bellovin"),
    27: Assignment("Quick-Start Response", "RFC 4782"),
    28: Assignment("User Timeout Option", "RFC 5482"),
    29: Assignment("TCP Authentication Option (TCP-AO)", "RFC 5925"),
    30: Assignment("Multipath TCP (MPTCP)", "RFC 8684"),
    31: _SQUATTED,
    32: _SQUATTED,
    33: _SQUATTED,
    34: Assignment("TCP Fast Open Cookie", "RFC 7413"),
    69: Assignment("Encryption Negotiation (TCP-ENO)", "RFC 8547"),
    70: _SQUATTED,
    76: _SQUATTED,
    77: _SQUATTED,
    78: _SQUATTED,
    172: Assignment("Accurate ECN Order 0 (AccECN0)", "RFC 9768"),
    174: Assignment("Accurate ECN Order 1 (AccECN1)", "RFC 9768"),
    253: Assignment("RFC3692-style Experiment 1", "RFC 4727", Status.EXPERIMENTAL),
    254: Assignment("RFC3692-style Experiment 2", "RFC 4727", Status.EXPERIMENTAL),
}

_WIRESHARK = "IANA tcp-exids, named in Wireshark's packet-tcp.c"

#: Experiment identifiers of two bytes.
EXIDS_16 = {
    0x00AC: Assignment("TCP ACK Rate Request", "draft-ietf-tcpm-ack-rate-request"),
    0x0348: Assignment("HOST_ID", "RFC 7974"),
    0x0A0D: Assignment("Autonomous System (AS) Compensation", _WIRESHARK),
    0x0CA0: Assignment("Capability Option", _WIRESHARK),
    0x0ED0: Assignment("Extended Data Offset", "draft-ietf-tcpm-tcp-edo"),
    0x454E: Assignment("Encryption Negotiation (TCP-ENO)", "RFC 8547"),
    0x5323: Assignment("Service Number", _WIRESHARK),
    0x75EC: Assignment("Timestamp Interval", "draft-trammell-tcpm-timestamp-interval"),
    0xACC0: Assignment("Accurate ECN Order 0", "RFC 9768"),
    0xACC1: Assignment("Accurate ECN Order 1", "RFC 9768"),
    0xACCE: Assignment("Accurate ECN", "RFC 9768"),
    0xF989: Assignment("TCP Fast Open", "RFC 7413"),
    0xF990: Assignment("Low Latency", _WIRESHARK),
}

#: Experiment identifiers of four bytes.
EXIDS_32 = {
    0xE2D4C3D9: Assignment("Shared Memory Communications over RDMA (SMC-R)", "RFC 7609"),
}

#: Subtypes of kind 30 that RFC 8684 assigns (section 7.2), by their four bits; 0xF is for private use.
MPTCP_SUBTYPES = {
    0x0: Assignment("MP_CAPABLE", "RFC 8684, section 3.1"),
    0x1: Assignment("MP_JOIN", "RFC 8684, section 3.2"),
    0x2: Assignment("DSS", "RFC 8684, section 3.3"),
    0x3: Assignment("ADD_ADDR", "RFC 8684, section 3.4.1"),
    0x4: Assignment("REMOVE_ADDR", "RFC 8684, section 3.4.2"),
    0x5: Assignment("MP_PRIO", "RFC 8684, section 3.3.8"),
    0x6: Assignment("MP_FAIL", "RFC 8684, section 3.7"),
    0x7: Assignment("MP_FASTCLOSE", "RFC 8684, section 3.5"),
    0x8: Assignment("MP_TCPRST", "RFC 8684, section 3.6"),
    0xF: Assignment("MP_EXPERIMENTAL", "RFC 8684, section 3.9", Status.EXPERIMENTAL),
}


def exid_owner(exid: int, size: int) -> Assignment | None:
    """Who has an ExID of `size` bytes (2 or 4).

    Two of different lengths collide when the first two bytes are equal: receivers that know one read it in the other.
    """
    if size == 2:
        prefixes = {known >> 16: owner for known, owner in EXIDS_32.items()}
        return EXIDS_16.get(exid) or prefixes.get(exid)
    if size == 4:
        return EXIDS_32.get(exid) or EXIDS_16.get(exid >> 16)
    raise ValueError(f"an ExID has 2 or 4 bytes, not {size}")
