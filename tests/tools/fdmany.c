// SPDX-License-Identifier: GPL-2.0
/*
 * fdmany [-c | -r ROUNDS] FOLDER PORTS PER_HUB
 *
 * Attach a socket whose peer says nothing to each of PORTS ports of vhci-hcd, whose files are in FOLDER and of which
 * every second PER_HUB are SuperSpeed. Print the first error. The peers are closed at the end; without -c, a child
 * keeps them open until all descriptors of the kernel's side are gone.
 *
 * With -r, attach and detach all of them so often: in each round all ports must be in use at once, and then all free.
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HIGH_SPEED 3
#define SUPER_SPEED 5
#define STATE_FREE 4
#define SECONDS_TO_BE_FREE 60
#define POLL_MS 20

static const char *folder;
static int ports, per_hub, *peers;

static int open_file(const char *name)
{
	char path[256];
	int file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = open(path, O_WRONLY);
	if (file < 0)
		perror(path);
	return file;
}

static int attach_all(int file)
{
	for (int port = 0; port < ports; port++) {
		int speed = port / per_hub % 2 ? SUPER_SPEED : HIGH_SPEED;
		char text[64];
		int fds[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
			perror("socketpair");
			return -1;
		}
		snprintf(text, sizeof(text), "%d %d 65538 %d", port, fds[0], speed);
		if (write(file, text, strlen(text)) < 0) {
			fprintf(stderr, "port %d: attach: %s\n", port, strerror(errno));
			return -1;
		}
		close(fds[0]);
		peers[port] = fds[1];
	}
	return 0;
}

static int detach_all(int file)
{
	for (int port = 0; port < ports; port++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", port);
		if (write(file, text, strlen(text)) < 0) {
			fprintf(stderr, "port %d: detach: %s\n", port, strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* How many ports the files `status` show in a state that is not free. */
static int in_use(void)
{
	char pattern[256], line[128];
	int count = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/status*", folder);
	if (glob(pattern, 0, NULL, &found)) {
		perror(pattern);
		exit(1);
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "r");
		unsigned int port, state;

		while (file && fgets(line, sizeof(line), file))
			count += sscanf(line, "%*s %u %u", &port, &state) == 2 && state != STATE_FREE;
		if (file)
			fclose(file);
	}
	globfree(&found);
	return count;
}

static int round_of_all(int attach, int detach)
{
	time_t end;
	int used;

	if (attach_all(attach))
		return -1;
	used = in_use();
	if (used != ports) {
		fprintf(stderr, "%d of %d ports are in use\n", used, ports);
		return -1;
	}
	if (detach_all(detach))
		return -1;
	for (end = time(NULL) + SECONDS_TO_BE_FREE; (used = in_use()); poll(NULL, 0, POLL_MS)) {
		if (time(NULL) > end) {
			fprintf(stderr, "%d ports are still in use\n", used);
			return -1;
		}
	}
	for (int port = 0; port < ports; port++)
		close(peers[port]);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
	int option, attach, detach, close_them = 0, rounds = 0;
	char byte;

	while ((option = getopt(argc, argv, "cr:")) != -1) {
		if (option == 'c')
			close_them = 1;
		else if (option == 'r')
			rounds = atoi(optarg);
		else
			return 2;
	}
	if (argc - optind != 3)
		return 2;
	folder = argv[optind];
	ports = atoi(argv[optind + 1]);
	per_hub = atoi(argv[optind + 2]);
	peers = calloc(ports, sizeof(*peers));
	setrlimit(RLIMIT_NOFILE, &limit);
	attach = open_file("attach");
	detach = open_file("detach");
	if (attach < 0 || detach < 0 || !peers || per_hub < 1)
		return 2;
	for (int round = 0; round < rounds; round++) {
		if (round_of_all(attach, detach)) {
			fprintf(stderr, "in round %d of %d\n", round + 1, rounds);
			return 1;
		}
	}
	if (rounds)
		return 0;
	if (attach_all(attach))
		return 1;
	if (close_them || fork())
		return 0;
	/* Who waits for our output shall not wait for us. */
	close(0);
	close(1);
	close(2);
	for (int port = 0; port < ports; port++)
		while (read(peers[port], &byte, 1) > 0)
			;
	return 0;
}
