// SPDX-License-Identifier: GPL-2.0
/*
 * uvcgadget DEVICE WIDTH HEIGHT FRAMES
 *
 * Be the camera behind DEVICE, the video node of a UVC gadget: one format (YUYV), one size, and so many different frames,
 * sent again and again in order. Prints the CRC-32 of each, then "ready", and runs until it is killed. For machines
 * that are little endian, as USB is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usb/g_uvc.h>
#include <linux/usb/video.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFERS 4
#define PIXEL_BYTES 2
/* In 100 ns: what the gadget's descriptor says, too. */
#define INTERVAL 333333
/* The first function of a gadget has its control interface first. */
#define STREAMING 1

static unsigned int frame_size, frames, next;
static unsigned char *memory[BUFFERS];
static int fd;

static void fail(const char *what)
{
	fprintf(stderr, "uvcgadget: %s: %s\n", what, strerror(errno));
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

/* No frame, and no part of one, is like another. */
static void draw(unsigned char *to, unsigned int frame)
{
	uint32_t state = frame * 2654435761U + 1;

	for (unsigned int i = 0; i < frame_size; i++) {
		state = state * 1664525U + 1013904223U;
		to[i] = state >> 24;
	}
}

static void answer(const struct usb_ctrlrequest *request)
{
	struct uvc_request_data reply = { .length = -EL2HLT };
	struct uvc_streaming_control control = {
		.bmHint = 1,
		.bFormatIndex = 1,
		.bFrameIndex = 1,
		.dwFrameInterval = INTERVAL,
		.dwMaxVideoFrameSize = frame_size,
		.dwMaxPayloadTransferSize = 1024,
		.bmFramingInfo = 3,
		.bPreferedVersion = 1,
		.bMaxVersion = 1,
	};
	unsigned char what = request->wValue >> 8;

	/* Only the stream can be set up; the camera has no controls that answer. */
	if ((request->bRequestType & USB_TYPE_MASK) == USB_TYPE_CLASS && request->wIndex == STREAMING &&
	    (what == UVC_VS_PROBE_CONTROL || what == UVC_VS_COMMIT_CONTROL)) {
		switch (request->bRequest) {
		case UVC_SET_CUR:
			reply.length = request->wLength;
			break;
		case UVC_GET_CUR:
		case UVC_GET_MIN:
		case UVC_GET_MAX:
		case UVC_GET_DEF:
			memcpy(reply.data, &control, sizeof(control));
			reply.length = sizeof(control);
			break;
		case UVC_GET_LEN:
			reply.data[0] = sizeof(control);
			reply.length = 2;
			break;
		case UVC_GET_INFO:
			reply.data[0] = UVC_CONTROL_CAP_GET | UVC_CONTROL_CAP_SET;
			reply.length = 1;
			break;
		}
		if (reply.length > request->wLength)
			reply.length = request->wLength;
	}
	if (ioctl(fd, UVCIOC_SEND_RESPONSE, &reply) && errno != ESHUTDOWN)
		fail("SEND_RESPONSE");
}

static void queue(unsigned int index)
{
	struct v4l2_buffer buffer = {
		.index = index, .type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_MMAP, .bytesused = frame_size,
	};

	draw(memory[index], next++ % frames);
	if (ioctl(fd, VIDIOC_QBUF, &buffer))
		fail("QBUF");
}

static void start(void)
{
	struct v4l2_requestbuffers request = {
		.count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_MMAP,
	};
	int type = V4L2_BUF_TYPE_VIDEO_OUTPUT;

	/* A gadget's node says how many there are. */
	if (ioctl(fd, VIDIOC_REQBUFS, &request) < 0)
		fail("REQBUFS");
	if (request.count != BUFFERS) {
		fprintf(stderr, "uvcgadget: %u buffers\n", request.count);
		exit(1);
	}
	for (unsigned int i = 0; i < BUFFERS; i++) {
		struct v4l2_buffer buffer = { .index = i, .type = type, .memory = V4L2_MEMORY_MMAP };

		if (ioctl(fd, VIDIOC_QUERYBUF, &buffer))
			fail("QUERYBUF");
		memory[i] = mmap(NULL, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, buffer.m.offset);
		if (memory[i] == MAP_FAILED)
			fail("mmap");
		queue(i);
	}
	if (ioctl(fd, VIDIOC_STREAMON, &type))
		fail("STREAMON");
}

static void stop(void)
{
	struct v4l2_requestbuffers request = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_MMAP };
	int type = V4L2_BUF_TYPE_VIDEO_OUTPUT;

	ioctl(fd, VIDIOC_STREAMOFF, &type);
	for (unsigned int i = 0; i < BUFFERS; i++)
		munmap(memory[i], frame_size);
	ioctl(fd, VIDIOC_REQBUFS, &request);
}

int main(int argc, char **argv)
{
	static const unsigned int events[] = {
		UVC_EVENT_CONNECT, UVC_EVENT_DISCONNECT, UVC_EVENT_SETUP, UVC_EVENT_DATA, UVC_EVENT_STREAMON, UVC_EVENT_STREAMOFF,
	};
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT };
	int streams = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: uvcgadget DEVICE WIDTH HEIGHT FRAMES\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0)
		fail(argv[1]);
	format.fmt.pix.width = atoi(argv[2]);
	format.fmt.pix.height = atoi(argv[3]);
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
	format.fmt.pix.field = V4L2_FIELD_NONE;
	frame_size = format.fmt.pix.width * format.fmt.pix.height * PIXEL_BYTES;
	format.fmt.pix.sizeimage = frame_size;
	frames = atoi(argv[4]);
	for (unsigned int i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct v4l2_event_subscription subscription = { .type = events[i] };

		if (ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &subscription))
			fail("SUBSCRIBE_EVENT");
	}
	if (ioctl(fd, VIDIOC_S_FMT, &format))
		fail("S_FMT");
	memory[0] = malloc(frame_size);
	for (unsigned int i = 0; i < frames; i++) {
		draw(memory[0], i);
		printf("%08x\n", crc32(memory[0], frame_size));
	}
	free(memory[0]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd poller = { .fd = fd, .events = POLLPRI | (streams ? POLLOUT : 0) };
		struct v4l2_buffer buffer = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .memory = V4L2_MEMORY_MMAP };
		struct v4l2_event event;

		if (poll(&poller, 1, -1) < 0)
			fail("poll");
		if (poller.revents & POLLPRI) {
			const struct uvc_event *what = (void *)&event.u.data;

			if (ioctl(fd, VIDIOC_DQEVENT, &event))
				fail("DQEVENT");
			switch (event.type) {
			case UVC_EVENT_SETUP:
				answer(&what->req);
				break;
			case UVC_EVENT_STREAMON:
				start();
				streams = 1;
				break;
			case UVC_EVENT_STREAMOFF:
			case UVC_EVENT_DISCONNECT:
				if (streams)
					stop();
				streams = 0;
				break;
			}
		} else if (streams && poller.revents & (POLLOUT | POLLERR)) {
			if (ioctl(fd, VIDIOC_DQBUF, &buffer))
				fail("DQBUF");
			queue(buffer.index);
		}
	}
}
