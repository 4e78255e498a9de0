// SPDX-License-Identifier: GPL-2.0
/* Sets the acknowledgement strategy of each connection that is established, and keeps what the kernel answers. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define SOL_TCP 6
#define TCP_DELACK_RTT_DIVISOR 64
#define TCP_DELACK_SEGS 65

/* What is asked for */
int segments;
int divisor;

/* Answers: 0, or an error number below it */
int set_segments;
int set_divisor;
int set_short;
int got_segments = -1;
int got_divisor = -1;

SEC("sockops")
int ack_strategy(struct bpf_sock_ops *ctx)
{
	int value;

	if (ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB &&
	    ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return 1;

	value = segments;
	set_segments = bpf_setsockopt(ctx, SOL_TCP, TCP_DELACK_SEGS, &value, sizeof(value));
	set_short = bpf_setsockopt(ctx, SOL_TCP, TCP_DELACK_SEGS, &value, sizeof(short));
	value = divisor;
	set_divisor = bpf_setsockopt(ctx, SOL_TCP, TCP_DELACK_RTT_DIVISOR, &value, sizeof(value));

	if (!bpf_getsockopt(ctx, SOL_TCP, TCP_DELACK_SEGS, &value, sizeof(value)))
		got_segments = value;
	if (!bpf_getsockopt(ctx, SOL_TCP, TCP_DELACK_RTT_DIVISOR, &value, sizeof(value)))
		got_divisor = value;
	return 1;
}

char _license[] SEC("license") = "GPL";
