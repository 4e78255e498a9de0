#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	return ctx->op; /* OPT0901 */
}
