#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	*(volatile __u32 *)&ctx->remote_port = 1; /* OPT0901 */
	return 1;
}
