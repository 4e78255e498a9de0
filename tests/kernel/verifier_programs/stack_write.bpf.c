#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u64 *place;
	__asm__ volatile("r2 = 3; r3 = 4; %0 = r10; %0 += -600; *(u64 *)(%0 + 0) = r2" : "=r"(place) : : "r2", "r3", "memory"); /* OPT0901 */
	return 1;
}
