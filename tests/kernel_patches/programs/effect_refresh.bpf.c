// SPDX-License-Identifier: GPL-2.0
/* Path manager: a client opens a subflow again that was reset or timed out while its session lives. */
#include "effect.h"

#define ECONNRESET 104
#define ETIMEDOUT 110
#define MPTCP_SUBFLOW_FLAG_BKUP_LOC (1 << 5)

__u32 refreshed;

static void open_again(struct bpf_sock_ops *ctx)
{
	/* The event comes on the subflow that is gone: the addresses, and the peer's port, are still its own */
	struct mptcp_bpf_subflow like_this = {};
	struct mptcp_bpf_info info;

	if (ctx->args[2] != ECONNRESET && ctx->args[2] != ETIMEDOUT)
		return; /* on purpose */
	if (bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_INFO, &info, sizeof(info)))
		return;
	/* the peer knows the address by its identifier */
	like_this.local.id = info.local_id;
	like_this.flags = info.subflow_flags & MPTCP_SUBFLOW_FLAG_BKUP_LOC ? MPTCP_BPF_F_BACKUP : 0;
	if (!bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_OPEN_SUBFLOW, &like_this, sizeof(like_this)))
		refreshed++;
}

SEC("sockops")
int refresh(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		ask_for_events(ctx, 1 << MPTCP_BPF_SUBFLOW_CLOSED);
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		if (ctx->args[0] == MPTCP_BPF_SUBFLOW_CLOSED)
			open_again(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
