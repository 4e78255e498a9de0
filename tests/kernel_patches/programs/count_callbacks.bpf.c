// SPDX-License-Identifier: GPL-2.0
/* Counts how often each operation of sock_ops is called, and how many of the sockets belong to MPTCP. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define SLOTS 64

__u32 calls[SLOTS];
__u32 established;
__u32 multipath;

SEC("sockops")
int count_callbacks(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk; /* read once: the verifier tracks what was checked */
	__u32 op = ctx->op;

	if (op < SLOTS)
		__sync_fetch_and_add(&calls[op], 1);
	switch (op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		__sync_fetch_and_add(&established, 1);
		if (sk && bpf_skc_to_mptcp_sock(sk))
			__sync_fetch_and_add(&multipath, 1);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
