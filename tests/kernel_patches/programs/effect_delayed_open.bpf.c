// SPDX-License-Identifier: GPL-2.0
/* Path manager: a client opens its further subflow only when so much has come that it is worth it. */
#include "effect.h"

/* May be changed at any time, for the connections that begin from then on */
__u64 threshold = 100 << 10; /* bytes */

/* The further address of this host, as the first and only entry */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mptcp_bpf_addr);
} addresses SEC(".maps");

__u64 received; /* when the last subflow was opened, in bytes */

static void wait_for_data(struct bpf_sock_ops *ctx)
{
	__u64 mark = threshold;

	bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_RCV_MARK, &mark, sizeof(mark));
}

static void open_further(struct bpf_sock_ops *ctx)
{
	struct mptcp_bpf_subflow subflow = {};
	struct mptcp_bpf_addr *local;
	__u32 first = 0;

	local = bpf_map_lookup_elem(&addresses, &first);
	if (!local)
		return;
	subflow.local = *local;
	if (!bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_OPEN_SUBFLOW, &subflow, sizeof(subflow)))
		received = ctx->args[1] | (__u64)ctx->args[2] << 32;
}

SEC("sockops")
int delayed_open(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		ask_for_events(ctx, 1 << MPTCP_BPF_NEW_SESSION | 1 << MPTCP_BPF_DATA);
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		if (ctx->args[0] == MPTCP_BPF_NEW_SESSION)
			wait_for_data(ctx);
		else if (ctx->args[0] == MPTCP_BPF_DATA)
			open_further(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
