// SPDX-License-Identifier: GPL-2.0
/* Path manager: a client opens further subflows on the same pair of addresses, each with a port of its own. */
#include "effect.h"

#define SUBFLOWS_MAX 8

__u32 subflows; /* how many, beyond the first one */

static void open_all(struct bpf_sock_ops *ctx)
{
	/* Nothing is said of the addresses: they are those of this subflow, with another port */
	struct mptcp_bpf_subflow like_this = {};
	__u32 i;

	for (i = 0; i < SUBFLOWS_MAX && i < subflows; i++)
		bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_OPEN_SUBFLOW, &like_this, sizeof(like_this));
}

SEC("sockops")
int ndiffports(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		ask_for_events(ctx, 1 << MPTCP_BPF_ESTABLISHED);
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		if (ctx->args[0] == MPTCP_BPF_ESTABLISHED && ctx->args[1]) /* the initial subflow */
			open_all(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
