#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u64 sum = ctx->op;
	__asm__ volatile("%0 /= 0" : "+r"(sum)); /* OPT0901 */
	return sum;
}
