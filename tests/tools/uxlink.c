// SPDX-License-Identifier: GPL-2.0
/*
 * uxlink pair|tcp PROGRAM FILE TEXT PROGRAM FILE TEXT
 *
 * Connect two ends with a socket each: the two files are `attach`, or the `usbip_sockfd` of a device, and "{}" in the
 * texts is the descriptor. PROGRAM says who carries an end: "kernel", or a program that is started in the
 * background as `PROGRAM 3 FILE TEXT` and does the rest. Prints the process groups of the two programs (0: kernel).
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int checked(int value, const char *what)
{
	if (value < 0) {
		perror(what);
		exit(2);
	}
	return value;
}

static void loopback(int fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	fds[0] = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	checked(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	checked(listen(listener, 1), "listen");
	checked(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
	checked(connect(fds[0], (struct sockaddr *)&address, sizeof(address)), "connect");
	fds[1] = checked(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
}

static void fill_in(char *text, size_t size, const char *from, int fd)
{
	const char *hole = strstr(from, "{}");

	if (hole)
		snprintf(text, size, "%.*s%d%s", (int)(hole - from), from, fd, hole + 2);
	else
		snprintf(text, size, "%s", from);
}

static pid_t start(int fd, const char *program, const char *file, const char *template)
{
	char text[256];
	pid_t pid;
	int target;

	if (!strcmp(program, "kernel")) {
		fill_in(text, sizeof(text), template, fd);
		target = checked(open(file, O_WRONLY | O_CLOEXEC), file);
		checked(write(target, text, strlen(text)), file);
		return 0;
	}
	fill_in(text, sizeof(text), template, 3);
	pid = checked(fork(), "fork");
	if (pid)
		return pid;
	setsid();
	if (fd == 3)
		checked(fcntl(fd, F_SETFD, 0), "fcntl");
	else
		checked(dup2(fd, 3), "dup2");
	/* Whoever waits for our output must not wait for the program. */
	target = checked(open("/dev/console", O_WRONLY), "/dev/console");
	dup2(target, 1);
	dup2(target, 2);
	close(target);
	execlp(program, program, "3", file, text, (char *)NULL);
	perror(program);
	_exit(2);
}

int main(int argc, char **argv)
{
	pid_t first, second;
	int fds[2];

	if (argc != 8) {
		fprintf(stderr, "usage: uxlink pair|tcp PROGRAM FILE TEXT PROGRAM FILE TEXT\n");
		return 2;
	}
	/* Keep 3 free for the programs. */
	checked(dup2(checked(open("/dev/null", O_RDONLY), "/dev/null"), 3), "dup2");
	if (!strcmp(argv[1], "tcp"))
		loopback(fds);
	else
		checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
	first = start(fds[0], argv[2], argv[3], argv[4]);
	second = start(fds[1], argv[5], argv[6], argv[7]);
	printf("%d %d\n", first, second);
	return 0;
}
