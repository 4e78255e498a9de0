// SPDX-License-Identifier: GPL-2.0
/* A client tells a server how long to keep its session when the last subflow is gone.
 *
 * It writes the seconds into an MPTCP option, and the server sets its inactivity timeout for the connection.
 */
#include "effect.h"

struct timeout_option {
	__u8 kind;
	__u8 length;
	__u8 subtype;
	__be16 seconds;
} __attribute__((packed));

struct setting {
	__u32 seconds;
};

/* Of each connection */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct setting);
} settings SEC(".maps");

/* The client's wish */
__u32 seconds; /* 0 for none */

/* At the server */
__u32 connections; /* with a timeout that was told */

static void write_timeout(struct bpf_sock_ops *ctx)
{
	struct timeout_option option = {
		.kind = MPTCP_KIND,
		.length = sizeof(option),
		.subtype = PRIVATE_SUBTYPE,
		.seconds = bpf_htons(seconds),
	};

	bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
}

static void read_timeout(struct bpf_sock_ops *ctx)
{
	struct timeout_option option = {};
	struct bpf_sock *sk = ctx->sk;
	struct setting *setting;
	struct mptcp_sock *msk;
	int timeout;

	if (!sk || !load_suboption(ctx, &option, sizeof(option)))
		return;
	timeout = bpf_ntohs(option.seconds);
	msk = bpf_skc_to_mptcp_sock(sk);
	if (!msk)
		return;
	setting = bpf_sk_storage_get(&settings, msk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!setting || setting->seconds == timeout)
		return;
	if (bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_INACTIVITY_TIMEOUT, &timeout, sizeof(timeout)))
		return;
	if (!setting->seconds)
		connections++;
	setting->seconds = timeout;
}

SEC("sockops")
int inactivity(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (seconds)
			reserve_on_ack(ctx, sizeof(struct timeout_option));
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write_timeout(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		read_timeout(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
