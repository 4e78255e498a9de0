// SPDX-License-Identifier: GPL-2.0
/* Asks for MPTCP events when a socket connects or listens, and writes each of them into a ring buffer, together with
 * what MPTCP_BPF_INFO and MPTCP_BPF_ADDR tell at that moment. The sockets' own callbacks of interest are written, too.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "mptcp_bpf.h"

/* What is asked for */
__u32 wanted;
__u64 mark;
__u64 step; /* to the next mark, set in MPTCP_BPF_DATA; 0 for none */
__u32 told; /* sock_ops callbacks to be written, 1 << op */

/* Answers: 0, or an error number below it */
int set_wanted = 1;
int set_mark = 1;

/* Lost, because the ring buffer was full */
__u32 lost;

struct record {
	__u64 time;
	__u32 op;
	__u32 args[4];
	__s32 info_error;
	__s32 addr_error;
	__u32 local_port;
	__u32 remote_port;
	__u32 wanted; /* as the connection has it */
	__u64 mark;
	struct mptcp_bpf_info info;
	struct mptcp_bpf_addr addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

static void ask(struct bpf_sock_ops *ctx)
{
	__u32 events = wanted;
	__u64 bytes = mark;

	if (events)
		set_wanted = bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_EVENTS, &events, sizeof(events));
	if (bytes)
		set_mark = bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_RCV_MARK, &bytes, sizeof(bytes));
}

static void ask_for_more(struct bpf_sock_ops *ctx)
{
	__u64 bytes = ctx->args[1] | (__u64)ctx->args[2] << 32;

	bytes += step;
	if (step)
		set_mark = bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_RCV_MARK, &bytes, sizeof(bytes));
}

static void write(struct bpf_sock_ops *ctx)
{
	struct record *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record) {
		lost++;
		return;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->time = bpf_ktime_get_ns();
	record->op = ctx->op;
	record->args[0] = ctx->args[0];
	record->args[1] = ctx->args[1];
	record->args[2] = ctx->args[2];
	record->args[3] = ctx->args[3];
	record->local_port = ctx->local_port;
	record->remote_port = bpf_ntohl(ctx->remote_port);
	bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_EVENTS, &record->wanted, sizeof(record->wanted));
	bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_RCV_MARK, &record->mark, sizeof(record->mark));
	record->info_error = bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_INFO, &record->info, sizeof(record->info));
	record->addr_error = bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_ADDR, &record->addr, sizeof(record->addr));
	bpf_ringbuf_submit(record, 0);
}

SEC("sockops")
int mptcp_events(struct bpf_sock_ops *ctx)
{
	__u32 op = ctx->op;

	switch (op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		ask(ctx);
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		write(ctx);
		if (ctx->args[0] == MPTCP_BPF_DATA)
			ask_for_more(ctx);
		break;
	}
	if (op < 32 && told & (1U << op))
		write(ctx);
	return 1;
}

char _license[] SEC("license") = "GPL";
