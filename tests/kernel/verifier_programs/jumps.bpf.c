#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u64 sum = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < 9000; i++) {
		__u64 r = bpf_ktime_get_ns();
		__asm__ volatile("if %1 != 77 goto +1; %0 += 1" : "+r"(sum) : "r"(r)); /* OPT0903 */
	}
	return sum;
}
