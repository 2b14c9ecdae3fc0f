// SPDX-License-Identifier: GPL-2.0
/*
 * Print how many thousand times a second this machine's time stamp counter advances.
 *
 * An emulated machine has the same counter. Its kernel measures it too, but on a busy host its processor may stand
 * still meanwhile: here, only readings count between which nothing happened.
 */

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct reading {
	uint64_t ticks;
	int64_t nanoseconds;
};

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_RAW, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* The counter and the clock at the same time: of many tries, the one that took least. */
static struct reading read_both(void)
{
	struct reading best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int try = 0; try < 1000; try++) {
		uint64_t before = __rdtsc();
		int64_t time = now();
		uint64_t after = __rdtsc();

		if (after - before < least) {
			least = after - before;
			best = (struct reading){ before + (after - before) / 2, time };
		}
	}
	return best;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct reading first = read_both(), last;

	nanosleep(&pause, NULL);
	last = read_both();
	printf("%.0f\n", (last.ticks - first.ticks) * 1e6 / (last.nanoseconds - first.nanoseconds));
	return 0;
}
