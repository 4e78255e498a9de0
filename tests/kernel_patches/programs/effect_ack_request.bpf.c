// SPDX-License-Identifier: GPL-2.0
/* A sender tells the receiver how to acknowledge: every so many segments, and after which part of a round trip.
 *
 * It does so by an experimental TCP option (RFC 6994), on all segments until the peer has acknowledged data: an option
 * on a segment that was lost is lost with it.
 */
#include "effect.h"

#define EXPERIMENT 254
#define EXPERIMENT_ID 0xACE5

struct ack_option {
	__u8 kind;
	__u8 length;
	__be16 experiment;
	__u8 segments;
	__u8 divisor;
};

/* The sender's wish */
__u32 segments; /* 0 for none */
__u32 divisor;

/* At the receiver: the answers of the kernel */
int set_segments = 1;
int set_divisor = 1;

static void reserve(struct bpf_sock_ops *ctx)
{
	if (ctx->bytes_acked > 1) { /* the SYN counts as one */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags &
					       ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		return;
	}
	bpf_reserve_hdr_opt(ctx, sizeof(struct ack_option), 0);
}

static void write_wish(struct bpf_sock_ops *ctx)
{
	struct ack_option option = {
		.kind = EXPERIMENT,
		.length = sizeof(option),
		.experiment = bpf_htons(EXPERIMENT_ID),
		.segments = segments,
		.divisor = divisor,
	};

	bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
}

static void read_wish(struct bpf_sock_ops *ctx)
{
	struct ack_option option = {
		.kind = EXPERIMENT,
		.length = 4, /* the experiment's identifier is part of the search */
		.experiment = bpf_htons(EXPERIMENT_ID),
	};
	int value;

	if (bpf_load_hdr_opt(ctx, &option, sizeof(option), 0) != sizeof(option))
		return;
	value = option.segments;
	set_segments = bpf_setsockopt(ctx, SOL_TCP, TCP_DELACK_SEGS, &value, sizeof(value));
	value = option.divisor;
	set_divisor = bpf_setsockopt(ctx, SOL_TCP, TCP_DELACK_RTT_DIVISOR, &value, sizeof(value));
}

SEC("sockops")
int ack_request(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		if (segments)
			add_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		reserve(ctx);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write_wish(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		read_wish(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
