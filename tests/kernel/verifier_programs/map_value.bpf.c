#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&table, &key);
	if (!value)
		return 1;
	value[20] = ctx->op; /* OPT0901 */
	return 1;
}
