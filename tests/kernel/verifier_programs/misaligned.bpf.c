#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u64 room = 0;
	__asm__ volatile("r2 = 1; lock *(u32 *)(r10 - 6) += r2" : : "r"(&room) : "r2", "memory"); /* OPT0901 */
	return 1;
}
