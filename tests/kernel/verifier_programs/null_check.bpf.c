#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u32 key = ctx->op;
	__u64 *value = bpf_map_lookup_elem(&table, &key);
	*value += 1; /* OPT0901 */
	return 1;
}
