// SPDX-License-Identifier: GPL-2.0
/*
 * v4lgrab DEVICE FRAMES: capture so many frames from a camera as it is set up, and print one line for each:
 * its number, its flags of damage (0 or 64), its length and the CRC-32 of its bytes.
 *
 * There are more buffers than frames, so that none is dropped because this program runs late.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAMES_MAX 30
#define BUFFERS 32

static void fail(const char *what)
{
	fprintf(stderr, "v4lgrab: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t crc32(const unsigned char *data, size_t size)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < size; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return ~crc;
}

int main(int argc, char **argv)
{
	struct v4l2_requestbuffers request = {
		.count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP,
	};
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	struct v4l2_buffer got[FRAMES_MAX];
	unsigned char *memory[BUFFERS];
	int fd, frames;

	frames = argc == 3 ? atoi(argv[2]) : 0;
	if (frames < 1 || frames > FRAMES_MAX) {
		fprintf(stderr, "usage: v4lgrab DEVICE FRAMES (at most %d)\n", FRAMES_MAX);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0)
		fail(argv[1]);
	if (ioctl(fd, VIDIOC_REQBUFS, &request))
		fail("REQBUFS");
	if (request.count < BUFFERS) {
		fprintf(stderr, "v4lgrab: only %u buffers\n", request.count);
		return 1;
	}
	for (unsigned int i = 0; i < BUFFERS; i++) {
		struct v4l2_buffer buffer = { .index = i, .type = type, .memory = V4L2_MEMORY_MMAP };

		if (ioctl(fd, VIDIOC_QUERYBUF, &buffer))
			fail("QUERYBUF");
		memory[i] = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, fd, buffer.m.offset);
		if (memory[i] == MAP_FAILED)
			fail("mmap");
		if (ioctl(fd, VIDIOC_QBUF, &buffer))
			fail("QBUF");
	}
	if (ioctl(fd, VIDIOC_STREAMON, &type))
		fail("STREAMON");
	for (int i = 0; i < frames; i++) {
		memset(&got[i], 0, sizeof(got[i]));
		got[i].type = type;
		got[i].memory = V4L2_MEMORY_MMAP;
		if (ioctl(fd, VIDIOC_DQBUF, &got[i]))
			fail("DQBUF");
	}
	for (int i = 0; i < frames; i++)
		printf("%u %u %u %08x\n", got[i].sequence, got[i].flags & V4L2_BUF_FLAG_ERROR, got[i].bytesused,
		       crc32(memory[got[i].index], got[i].bytesused));
	if (ioctl(fd, VIDIOC_STREAMOFF, &type))
		fail("STREAMOFF");
	close(fd);
	return 0;
}
