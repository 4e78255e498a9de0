// SPDX-License-Identifier: GPL-2.0
/* The further subflow of a connection is a backup, which the sender uses only while the first one is slow.
 *
 * The client writes into an MPTCP option what is slow: a round-trip time. The server, which sends, keeps it with the
 * connection, compares each measurement on the first subflow, and decides for its own side: no MP_PRIO.
 */
#include "effect.h"

struct threshold_option {
	__u8 kind;
	__u8 length;
	__u8 subtype;
	__be16 milliseconds;
} __attribute__((packed));

struct state {
	__u32 threshold; /* us, 0: not told yet */
	__u32 backup; /* subflow id, 0: there is none yet */
	__u32 in_use;
};

/* Of each connection */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct state);
} states SEC(".maps");

/* The client's wish */
__u32 milliseconds; /* 0 for none */

/* At the server */
__u32 changes;

static void write_threshold(struct bpf_sock_ops *ctx)
{
	struct threshold_option option = {
		.kind = MPTCP_KIND,
		.length = sizeof(option),
		.subtype = PRIVATE_SUBTYPE,
		.milliseconds = bpf_htons(milliseconds),
	};

	bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
}

static struct state *state_of(struct bpf_sock_ops *ctx)
{
	return storage_of(ctx, &states);
}

static void read_threshold(struct bpf_sock_ops *ctx)
{
	struct threshold_option option = {};
	struct state *state;

	if (!load_suboption(ctx, &option, sizeof(option)))
		return;
	state = state_of(ctx);
	if (state)
		state->threshold = bpf_ntohs(option.milliseconds) * 1000;
}

static void take_event(struct bpf_sock_ops *ctx)
{
	struct state *state;

	switch (ctx->args[0]) {
	case MPTCP_BPF_ESTABLISHED:
		if (ctx->args[1]) /* the initial subflow */
			add_callbacks(ctx, BPF_SOCK_OPS_RTT_CB_FLAG);
		break;
	case MPTCP_BPF_SUBFLOW_ADDED:
		state = state_of(ctx);
		if (state)
			state->backup = ctx->args[1];
		break;
	}
}

static void compare(struct bpf_sock_ops *ctx)
{
	struct mptcp_bpf_subflow_op op = {.flags = MPTCP_BPF_F_LOCAL};
	struct state *state = state_of(ctx);
	bool slow;

	if (!state || !state->threshold || !state->backup)
		return;
	slow = ctx->srtt_us >> 3 > state->threshold;
	if (slow == state->in_use)
		return;
	op.subflow_id = state->backup;
	if (!slow)
		op.flags |= MPTCP_BPF_F_BACKUP;
	if (bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_BACKUP, &op, sizeof(op)))
		return; /* the next measurement tries again */
	state->in_use = slow;
	changes++;
}

SEC("sockops")
int delay_threshold(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (milliseconds)
			reserve_on_ack(ctx, sizeof(struct threshold_option));
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write_threshold(ctx);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		/* what it accepts will have them */
		ask_for_events(ctx, 1 << MPTCP_BPF_ESTABLISHED | 1 << MPTCP_BPF_SUBFLOW_ADDED);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		read_threshold(ctx);
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		take_event(ctx);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		compare(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
