#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u64 value;
	__asm__ volatile("%0 = r7" : "=r"(value)); /* OPT0901 */
	return value & 1;
}
