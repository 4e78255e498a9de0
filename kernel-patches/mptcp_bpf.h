/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* What the patches of this folder add to the kernel's interface, for BPF programs in C and for applications on a
 * machine whose own headers lack it. The same as in the patched include/uapi/linux/{bpf,mptcp,tcp}.h.
 *
 * For programs that include <linux/bpf.h>, not a vmlinux.h of a patched kernel, which has the types already.
 */
#ifndef OPTDSL_MPTCP_BPF_H
#define OPTDSL_MPTCP_BPF_H

#include <linux/types.h>

#ifndef SOL_TCP
#define SOL_TCP 6
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* The callback of sock_ops, beside those of enum in <linux/bpf.h> */
#define BPF_SOCK_OPS_MPTCP_CB 128

/* Acknowledgement strategy, level SOL_TCP, also from programs; int */
#define TCP_DELACK_RTT_DIVISOR	64	/* delayed-ACK timeout: min RTT / n; 0: the kernel's own */
#define TCP_DELACK_SEGS		65	/* full segments that force an ACK; 0: the kernel's own rule */

/* Socket options with numbers of their own, level SOL_MPTCP */
#define MPTCP_INACTIVITY_TIMEOUT	64	/* int, seconds without any subflow until
						 * ETIMEDOUT; 0: net.mptcp.close_timeout
						 */
#define MPTCP_SCHEDULER		65	/* name of a packet scheduler, set and get */

/* What BPF_SOCK_OPS_MPTCP_CB tells about in args[0]; args[1] to args[3] follow.
 * A connection is told about those events whose bits MPTCP_BPF_EVENTS sets; one
 * that was accepted starts with the bits of the listening socket.
 */
enum mptcp_bpf_event {
	MPTCP_BPF_NEW_SESSION,		/* server side (0 or 1); the keys are known */
	MPTCP_BPF_ESTABLISHED,		/* 1 for the initial subflow, subflow id;
					 * data can be sent on the subflow
					 */
	MPTCP_BPF_SESSION_CLOSED,	/* token, enum mptcp_bpf_close_cause */
	MPTCP_BPF_SUBFLOW_ADDED,	/* subflow id, local << 8 | remote address id,
					 * 1 if the peer opened it
					 */
	MPTCP_BPF_SYNACK,		/* subflow id, interface index, ARPHRD_ type */
	MPTCP_BPF_SUBFLOW_CLOSED,	/* subflow id, errno, MPTCP_BPF_RST_ flags and
					 * MP_TCPRST reason; also for a subflow that
					 * could not be established
					 */
	MPTCP_BPF_ADDR_ADDED,		/* address id, AF_, port in host order; the
					 * address: MPTCP_BPF_ADDR
					 */
	MPTCP_BPF_ADDR_REMOVED,		/* address id */
	MPTCP_BPF_DATA,			/* lower and upper half of the bytes received on
					 * the connection, subflow id; once after each
					 * MPTCP_BPF_RCV_MARK
					 */
	MPTCP_BPF_ACTION_FAILED,	/* the option, errno, subflow or address id */

	__MPTCP_BPF_EVENT_NR,
};

enum mptcp_bpf_close_cause {
	MPTCP_BPF_CLOSED,		/* the connection has ended */
	MPTCP_BPF_FALLBACK,		/* it goes on as plain TCP */
};

#define MPTCP_BPF_RST_RECEIVED	0x100	/* the peer sent the MP_TCPRST */
#define MPTCP_BPF_RST_TRANSIENT	0x200	/* and means that trying again may work */

/* MPTCP socket options for programs, level SOL_MPTCP, on a locked subflow */
#define MPTCP_BPF_EVENTS	1001	/* __u32, set and get: 1 << MPTCP_BPF_... */
#define MPTCP_BPF_RCV_MARK	1002	/* __u64, set and get: bytes; 0 for none */
#define MPTCP_BPF_ADDR		1003	/* struct mptcp_bpf_addr, get, only in
					 * MPTCP_BPF_ADDR_ADDED
					 */

#define MPTCP_BPF_INFO		1004	/* struct mptcp_bpf_info, get */

/* Actions: they are queued, and the worker takes them in that order once the
 * connection is established. What fails there is told by MPTCP_BPF_ACTION_FAILED.
 */
#define MPTCP_BPF_OPEN_SUBFLOW	1005	/* struct mptcp_bpf_subflow */
#define MPTCP_BPF_CLOSE_SUBFLOW	1006	/* struct mptcp_bpf_subflow_op, no flags */
#define MPTCP_BPF_BACKUP	1007	/* struct mptcp_bpf_subflow_op */
#define MPTCP_BPF_ANNOUNCE	1008	/* struct mptcp_bpf_addr, of this host */
#define MPTCP_BPF_WITHDRAW	1009	/* __u32, address id; closes its subflows */

struct mptcp_bpf_addr {
	__u16	family;			/* AF_INET or AF_INET6 */
	__be16	port;			/* 0: none */
	__u8	id;
	__u8	__reserved[3];
	union {
		__be32	v4;
		__be32	v6[4];
	};
};

/* A family of AF_UNSPEC stands for the address of the subflow that the option is
 * set on, or any if the other address is of another family. A port of 0 is an
 * ephemeral one for local, that of the subflow for remote. Without an id for
 * local the kernel finds one.
 */
struct mptcp_bpf_subflow {
	struct mptcp_bpf_addr	local;
	struct mptcp_bpf_addr	remote;
	__u32			ifindex;	/* 0: by routing */
	__u32			flags;		/* MPTCP_BPF_F_BACKUP */
};

struct mptcp_bpf_subflow_op {
	__u32	subflow_id;			/* 0: this one */
	__u32	flags;				/* MPTCP_BPF_F_, none to use it again */
};

#define MPTCP_BPF_F_BACKUP	1
#define MPTCP_BPF_F_LOCAL	2		/* for what this side sends, against the
						 * peer's wish if need be: no MP_PRIO
						 */

/* What a program cannot load by BTF: the subflow context has no typed pointer.
 * The rest, such as bytes and windows, is in bpf_skc_to_mptcp_sock().
 */
struct mptcp_bpf_info {
	__u64	local_key;
	__u64	remote_key;		/* 0: not yet known */
	__u32	token;			/* of this side */
	__u32	remote_token;		/* 0: not yet known */
	__u32	flags;			/* MPTCP_INFO_FLAG_ */
	__u32	subflow_flags;		/* MPTCP_SUBFLOW_FLAG_ */
	__u32	subflow_id;		/* 1 is the initial subflow */
	__u8	local_id;		/* address identifiers */
	__u8	remote_id;
	__u8	server_side;
	__u8	extra_subflows;		/* besides the initial one, both sides' */
};

#endif
