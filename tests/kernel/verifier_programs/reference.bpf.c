#include "bad.h"
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u32 *record = bpf_ringbuf_reserve(&events, 4, 0);
	if (!record)
		return 1;
	*record = ctx->op;
	return 1;
} /* OPT0901 */
