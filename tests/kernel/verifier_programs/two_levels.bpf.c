#include "bad.h"
static __attribute__((noinline)) __u64 other(struct bpf_sock_ops *ctx)
{
	return ctx->local_port & 1;
}
static __attribute__((noinline)) __u64 deepest(__u64 *value, __u32 index)
{
	return value[index]; /* OPT0901 */
}
static __attribute__((noinline)) __u64 middle(struct bpf_sock_ops *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&table, &key);
	return value ? deepest(value, ctx->op) : 0;
}
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	return (other(ctx) + middle(ctx)) & 1;
}
