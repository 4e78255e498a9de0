#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	char bytes[4] = {};
	bpf_skb_load_bytes(ctx, 0, bytes, sizeof(bytes)); /* OPT0902 */
	return bytes[0];
}
