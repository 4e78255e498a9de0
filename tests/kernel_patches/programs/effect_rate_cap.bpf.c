// SPDX-License-Identifier: GPL-2.0
/* A receiver caps the rate of its subflows over one type of device, such as a metered one.
 *
 * The client writes the rate into an MPTCP option on these subflows. The server keeps their congestion windows at what
 * the rate carries in a round trip, and follows the smoothed round-trip time.
 */
#include "effect.h"

struct rate_option {
	__u8 kind;
	__u8 length;
	__u8 subtype;
	__u8 reserved;
	__be32 rate; /* kbit/s */
};

struct cap {
	__u32 rate; /* kbit/s */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct cap);
} caps SEC(".maps");

/* The client's wish */
__u32 device_type; /* ARPHRD_ */
__u32 rate; /* kbit/s, 0 for none */

/* At the server */
__u32 window; /* the last that was set, in segments */

static void write_rate(struct bpf_sock_ops *ctx)
{
	struct rate_option option = {
		.kind = MPTCP_KIND,
		.length = sizeof(option),
		.subtype = PRIVATE_SUBTYPE,
		.rate = bpf_htonl(rate),
	};

	bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
}

static void keep_to(struct bpf_sock_ops *ctx, __u32 kbits)
{
	__u64 round_trip = ctx->srtt_us >> 3; /* the kernel has it in eighths */
	__u32 size = ctx->mss_cache;
	int segments;

	if (!kbits || !round_trip || !size)
		return;
	segments = round_trip * kbits / 8000 / size;
	if (segments < 1)
		segments = 1;
	if (!bpf_setsockopt(ctx, SOL_TCP, TCP_BPF_SNDCWND_CLAMP, &segments, sizeof(segments)))
		window = segments;
}

static void read_rate(struct bpf_sock_ops *ctx)
{
	struct rate_option option = {};
	struct bpf_sock *sk = ctx->sk;
	struct cap *cap;

	if (!sk || !load_suboption(ctx, &option, sizeof(option)))
		return;
	cap = bpf_sk_storage_get(&caps, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!cap || cap->rate == bpf_ntohl(option.rate))
		return;
	cap->rate = bpf_ntohl(option.rate);
	add_callbacks(ctx, BPF_SOCK_OPS_RTT_CB_FLAG);
	keep_to(ctx, cap->rate);
}

static void follow_round_trip(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct cap *cap;

	if (!sk)
		return;
	cap = bpf_sk_storage_get(&caps, sk, 0, 0);
	if (cap)
		keep_to(ctx, cap->rate);
}

SEC("sockops")
int rate_cap(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		ask_for_events(ctx, 1 << MPTCP_BPF_SYNACK);
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		if (ctx->args[0] == MPTCP_BPF_SYNACK && ctx->args[3] == device_type)
			add_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (rate)
			reserve_on_ack(ctx, sizeof(struct rate_option));
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write_rate(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		read_rate(ctx);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		follow_round_trip(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
