#include "bad.h"
static __attribute__((noinline)) int below(struct bpf_sock_ops *ctx)
{
	volatile char room[300];
	room[ctx->op & 127] = 1;
	return room[3] & 1;
}
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	volatile char room[300];
	room[ctx->op & 127] = 1; /* OPT0903 */
	return (below(ctx) + room[4]) & 1;
}
