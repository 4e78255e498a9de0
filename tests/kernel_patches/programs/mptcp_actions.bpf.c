// SPDX-License-Identifier: GPL-2.0
/* Does what user space has planned: sets socket options of SOL_MPTCP when a callback of sock_ops comes or an event of
 * MPTCP, and tells what the kernel answered and which events there were.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "mptcp_bpf.h"

#define STEPS 24
#define VALUE_MAX 64
#define CALLBACK 100 /* added to the numbers of callbacks that are no event of MPTCP */
#define NO_STEP 0xffffffff

struct step {
	__u32 when;	/* an event, or CALLBACK + operation */
	__u32 subflow;	/* the only one that it is for, 0 for any */
	__s32 times;	/* how often it is still to be taken */
	__u32 option;
	__u32 length;
	__u8 value[VALUE_MAX];
};

struct report {
	__u64 time; /* ns */
	__u32 when;
	__u32 step; /* NO_STEP for an event by itself */
	__s32 answer;
	__u32 args[3];
	struct mptcp_bpf_info info;
	struct mptcp_bpf_addr addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STEPS);
	__type(key, __u32);
	__type(value, struct step);
} steps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");

/* Which events to ask for */
volatile __u32 wanted = (1 << __MPTCP_BPF_EVENT_NR) - 1;
/* What asking for them answered */
volatile __s32 asked = 1;
__u32 seen;
__u32 lost;

static void tell(struct bpf_sock_ops *ctx, __u32 when, __u32 number, long answer)
{
	struct report *report = bpf_ringbuf_reserve(&events, sizeof(*report), 0);

	if (!report) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	__builtin_memset(report, 0, sizeof(*report));
	report->time = bpf_ktime_get_ns();
	report->when = when;
	report->step = number;
	report->answer = answer;
	if (when < CALLBACK) {
		report->args[0] = ctx->args[1];
		report->args[1] = ctx->args[2];
		report->args[2] = ctx->args[3];
	}
	bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_INFO, &report->info, sizeof(report->info));
	bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_ADDR, &report->addr, sizeof(report->addr));
	bpf_ringbuf_submit(report, 0);
}

static void take(struct bpf_sock_ops *ctx, __u32 when, __u32 number)
{
	struct step *step = bpf_map_lookup_elem(&steps, &number);
	struct mptcp_bpf_info info = {};
	__u32 length;

	if (!step || step->when != when || step->times <= 0)
		return;
	if (step->subflow) {
		bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_INFO, &info, sizeof(info));
		if (info.subflow_id != step->subflow)
			return;
	}
	__sync_fetch_and_add(&step->times, -1);
	length = step->length;
	if (!length || length > VALUE_MAX)
		return;
	tell(ctx, when, number, bpf_setsockopt(ctx, SOL_MPTCP, step->option, step->value, length));
}

static void ask_for_events(struct bpf_sock_ops *ctx)
{
	__u32 bits = wanted;

	asked = bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_EVENTS, &bits, sizeof(bits));
}

SEC("sockops")
int mptcp_actions(struct bpf_sock_ops *ctx)
{
	__u32 when = CALLBACK + ctx->op;
	int i;

	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		ask_for_events(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_RTT_CB:
	case BPF_SOCK_OPS_STATE_CB:
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		when = ctx->args[0];
		__sync_fetch_and_add(&seen, 1);
		tell(ctx, when, NO_STEP, 0);
		break;
	default: /* among them those on sockets that are no full ones */
		return 1;
	}
	for (i = 0; i < STEPS; i++)
		take(ctx, when, i);
	return 1;
}

char _license[] SEC("license") = "GPL";
