#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u64 sum = ctx->op;
	for (;;) { /* OPT0901 */
		__asm__ volatile("" : "+r"(sum));
	}
	return sum;
}
