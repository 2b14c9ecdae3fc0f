// SPDX-License-Identifier: GPL-2.0
/*
 * direct read|write FILE POSITION LENGTH SHIFT
 *
 * One read(2) or write(2) past the page cache, with a buffer that begins SHIFT bytes into a page. What is read goes
 * to standard output; what is written comes from standard input.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t length, shift, page = sysconf(_SC_PAGESIZE);
	int writes = argc == 6 && !strcmp(argv[1], "write");
	unsigned char *buffer;
	ssize_t count;
	off_t position;
	int fd;

	if (argc != 6 || (!writes && strcmp(argv[1], "read"))) {
		fprintf(stderr, "usage: direct read|write FILE POSITION LENGTH SHIFT\n");
		return 2;
	}
	position = strtoul(argv[3], NULL, 0);
	length = strtoul(argv[4], NULL, 0);
	shift = strtoul(argv[5], NULL, 0);
	buffer = aligned_alloc(page, (shift + length + page - 1) / page * page);
	fd = open(argv[2], (writes ? O_WRONLY : O_RDONLY) | O_DIRECT);
	if (fd < 0 || !buffer) {
		perror(argv[2]);
		return 1;
	}
	buffer += shift;
	if (writes && fread(buffer, 1, length, stdin) != length) {
		fprintf(stderr, "direct: standard input is too short\n");
		return 1;
	}
	count = writes ? pwrite(fd, buffer, length, position) : pread(fd, buffer, length, position);
	if (count < 0 || (size_t)count != length) {
		fprintf(stderr, "direct: %zd of %zu bytes: %s\n", count, length, count < 0 ? strerror(errno) : "too few");
		return 1;
	}
	if (!writes && fwrite(buffer, 1, length, stdout) != length)
		return 1;
	return 0;
}
