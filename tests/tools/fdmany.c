// SPDX-License-Identifier: GPL-2.0
/*
 * fdmany [-c] FILE PORTS PER_HUB
 *
 * Attach a socket whose peer says nothing to each of PORTS ports of vhci-hcd, of which every second PER_HUB
 * are SuperSpeed. Print the first error. The peers are closed at the end; without -c, a child keeps them open
 * until all descriptors of the kernel's side are gone.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HIGH_SPEED 3
#define SUPER_SPEED 5

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
	int close_them = argc > 1 && !strcmp(argv[1], "-c");
	int ports, per_hub, file, port, *peers;
	char byte;

	argv += close_them;
	argc -= close_them;
	if (argc != 4)
		return 2;
	ports = atoi(argv[2]);
	per_hub = atoi(argv[3]);
	peers = calloc(ports, sizeof(*peers));
	setrlimit(RLIMIT_NOFILE, &limit);
	file = open(argv[1], O_WRONLY);
	if (file < 0 || !peers || per_hub < 1) {
		perror(argv[1]);
		return 2;
	}
	for (port = 0; port < ports; port++) {
		int speed = port / per_hub % 2 ? SUPER_SPEED : HIGH_SPEED;
		char text[64];
		int fds[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
			perror("socketpair");
			return 1;
		}
		snprintf(text, sizeof(text), "%d %d 65538 %d", port, fds[0], speed);
		if (write(file, text, strlen(text)) < 0) {
			fprintf(stderr, "port %d: %s\n", port, strerror(errno));
			return 1;
		}
		close(fds[0]);
		peers[port] = fds[1];
	}
	if (close_them || fork())
		return 0;
	/* Who waits for our output shall not wait for us. */
	close(0);
	close(1);
	close(2);
	for (port = 0; port < ports; port++)
		while (read(peers[port], &byte, 1) > 0)
			;
	return 0;
}
