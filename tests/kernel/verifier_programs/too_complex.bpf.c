#include "bad.h"
SEC("sockops")
int program(struct bpf_sock_ops *ctx)
{
	__u64 sum = 0;
	for (__u64 i = 0; i < 10000000; i++) { /* OPT0903 */
		__asm__ volatile("%0 += 1" : "+r"(sum));
		sum ^= bpf_ktime_get_ns();
	}
	return sum;
}
