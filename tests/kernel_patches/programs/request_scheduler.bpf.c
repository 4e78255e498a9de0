// SPDX-License-Identifier: GPL-2.0
/* Asks for a packet scheduler whenever the RTT of a subflow is measured or its state changes, and keeps the answers. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define SOL_MPTCP 284
#define MPTCP_SCHEDULER 65
#define NAMES 5

static const char names[NAMES][16] = {"default", "redundant", "roundrobin", "fastest", "a name too long."};

/* Which name; -1 for none, NAMES for the first three in turn */
int wanted = -1;

/* 0, or an error number below it */
int answer = 1;
int answer_at_end = 1;
unsigned int requests;
unsigned int requests_at_end;

static int request(struct bpf_sock_ops *ctx)
{
	char name[16];
	int number = wanted;

	if (number == NAMES)
		number = requests % 3;
	if (number < 0 || number >= NAMES)
		return 1;
	__builtin_memcpy(name, names[number], sizeof(name));
	return bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_SCHEDULER, name, sizeof(name));
}

SEC("sockops")
int request_scheduler(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		if (wanted < 0)
			break;
		answer = request(ctx);
		requests++;
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (wanted < 0)
			break;
		answer_at_end = request(ctx);
		requests_at_end++;
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
