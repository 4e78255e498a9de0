// SPDX-License-Identifier: GPL-2.0
/* Tries socket options of level SOL_MPTCP in one callback of sock_ops, and keeps the answers. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "mptcp_bpf.h"

#define ATTEMPTS 16

struct attempt {
	__u32 option;
	__u32 length; /* 1 to 64 bytes; 0 for no attempt */
	__u64 value; /* at the beginning, the rest is 0 */
	__s32 set; /* the answers: 0, or an error number below it; 1 before the first */
	__s32 get;
	__u64 got;
};

__u32 at; /* the callback */
__u32 calls;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ATTEMPTS);
	__type(key, __u32);
	__type(value, struct attempt);
} attempts SEC(".maps");

static void try(struct bpf_sock_ops *ctx, __u32 number)
{
	struct attempt *attempt = bpf_map_lookup_elem(&attempts, &number);
	__u64 value[8] = {};
	__u32 length;

	if (!attempt)
		return;
	value[0] = attempt->value;
	length = attempt->length;
	if (!length)
		return;
	barrier_var(length); /* else clang folds both tests into one, and the verifier learns nothing */
	if (length > sizeof(value))
		return;
	attempt->set = bpf_setsockopt(ctx, SOL_MPTCP, attempt->option, value, length);
	__builtin_memset(value, 0xff, sizeof(value));
	attempt->get = bpf_getsockopt(ctx, SOL_MPTCP, attempt->option, value, length);
	attempt->got = value[0];
}

SEC("sockops")
int mptcp_options(struct bpf_sock_ops *ctx)
{
	int i;

	if (ctx->op != at)
		return 1;
	calls++;
	for (i = 0; i < ATTEMPTS; i++)
		try(ctx, i);
	return 1;
}

char _license[] SEC("license") = "GPL";
