// SPDX-License-Identifier: GPL-2.0
/*
 * uxabi calls|carry|batches|ends|races|stalls|many|once ATTACH
 *
 * What include/uapi/linux/usbip_ux.h and Documentation/ux.md promise, asked of the node by a program that knows nothing
 * else. ATTACH is the `attach` of a controller with free ports, whose devices this program is. Prints a line a result.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/usbdevice_fs.h>
#include <linux/usbip_ux.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEADER 48

static const char *attach_file;
static int failures;

static void result(const char *name, long want, long got)
{
	if (want == got) {
		printf("ok %s\n", name);
		return;
	}
	printf("not ok %s (want %ld, got %ld)\n", name, want, got);
	failures++;
}

/* The result of a call, or the negative errno. */
static long of(long value)
{
	return value < 0 ? -errno : value;
}

static int node_with(int flags)
{
	int fd = open("/dev/usbip-ux", O_RDWR | flags);

	if (fd < 0) {
		perror("/dev/usbip-ux");
		exit(2);
	}
	return fd;
}

static void pair(int type, int fds[2])
{
	if (socketpair(AF_UNIX, type, 0, fds)) {
		perror("socketpair");
		exit(2);
	}
}

static long plug_as(int devid, int port, int fd)
{
	char text[64];
	int file = open(attach_file, O_WRONLY);
	long got;

	snprintf(text, sizeof(text), "%d %d %d 3", port, fd, devid);
	got = of(write(file, text, strlen(text)));
	close(file);
	return got > 0 ? 0 : got;
}

static long plug(int port, int fd)
{
	return plug_as(65538, port, fd);
}

static void unplug(int port)
{
	char path[256], text[16];
	int file;

	snprintf(path, sizeof(path), "%.*s/detach", (int)(strrchr(attach_file, '/') - attach_file), attach_file);
	file = open(path, O_WRONLY);
	snprintf(text, sizeof(text), "%d", port);
	/* It may be gone already. */
	if (write(file, text, strlen(text)) < 0 && errno != EINVAL)
		perror(path);
	close(file);
}

/* A node that carries the connection of a port, or -1 if that is refused. */
static int carrying(int port, int flags, int *socket)
{
	int fds[2], node = node_with(flags);

	pair(SOCK_STREAM, fds);
	if (ioctl(node, USBIP_UX_IOCSETSOCKFD, fds[0]) || plug(port, fds[0])) {
		close(node);
		node = -1;
	}
	if (socket)
		*socket = fds[0];
	else
		close(fds[0]);
	close(fds[1]);
	return node;
}

static int carried(int port, int flags, int *socket)
{
	int node = carrying(port, flags, socket);

	if (node < 0)
		printf("not ok port %d cannot be attached\n", port), failures++;
	return node;
}

static int polled(int fd, int timeout)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&wait, 1, timeout);
	return wait.revents & (POLLIN | POLLOUT | POLLHUP | POLLERR);
}

static int awaited(int fd, int events, int seconds)
{
	struct timespec rest = { .tv_nsec = 10000000 };
	int turns = seconds * 100;

	while ((polled(fd, 0) & events) != events && turns--)
		nanosleep(&rest, NULL);
	return polled(fd, 0) & events;
}

/* Reads what there is, and says with what that ended: never with 0. The port goes on asking in its own time. */
static long drained(int node)
{
	char buffer[4096];
	long got;

	while ((got = of(read(node, buffer, sizeof(buffer)))) > 0)
		;
	return got;
}

static uint32_t word(const unsigned char *header, int at)
{
	return (uint32_t)header[at] << 24 | header[at + 1] << 16 | header[at + 2] << 8 | header[at + 3];
}

static void calls(void)
{
	struct usbip_ux_kaddr names, others;
	int node, other, fds[2], datagram[2], lonely, zero;
	char byte = 0;
	struct stat stat;

	node = node_with(0);
	result("number of SETSOCKFD", 0x40046d01, USBIP_UX_IOCSETSOCKFD);
	result("number of INTR", 0x6d02, USBIP_UX_IOCINTR);
	result("number of INTRPGRP", 0x6d03, USBIP_UX_IOCINTRPGRP);
	result("number of GETKADDR", 0x80226d04, USBIP_UX_IOCGETKADDR);

	result("read before there is a connection", -EINTR, of(read(node, &byte, 1)));
	result("write before there is a connection", -EINTR, of(write(node, &byte, 1)));
	result("poll before there is a connection", 0, polled(node, 0));
	result("seek", -ESPIPE, of(lseek(node, 0, SEEK_SET)));

	pair(SOCK_STREAM, fds);
	pair(SOCK_DGRAM, datagram);
	lonely = socket(AF_INET, SOCK_STREAM, 0);
	result("no descriptor", -EINVAL, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, -1)));
	result("a descriptor that is closed", -EINVAL, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, 999)));
	result("no socket", -EINVAL, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, node)));
	result("f18: a datagram socket", -EINVAL, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, datagram[0])));
	result("f18: a socket without a peer", -EINVAL, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, lonely)));

	/* f3: 0 is a descriptor like any other, and counts as one that was set. */
	zero = dup(0);
	dup2(fds[0], 0);
	result("f3: descriptor 0", 0, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, 0)));
	result("f3: a second socket after descriptor 0", -EBUSY, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, fds[1])));
	dup2(zero, 0);
	other = node_with(0);
	result("a socket that has a node", -EBUSY, of(ioctl(other, USBIP_UX_IOCSETSOCKFD, fds[0])));
	result("the peer's socket is another one", 0, of(ioctl(other, USBIP_UX_IOCSETSOCKFD, fds[1])));

	result("names", 0, of(ioctl(node, USBIP_UX_IOCGETKADDR, &names)));
	result("names of another node", 0, of(ioctl(other, USBIP_UX_IOCGETKADDR, &others)));
	result("f13: names are 16 digits", 16, strspn(names.ux, "0123456789abcdef"));
	result("f13: also of sockets", 16, strspn(names.sock, "0123456789abcdef"));
	result("f13: they are no addresses", 0, strtoull(names.ux, NULL, 16) >> 32);
	result("nodes differ", 1, strcmp(names.ux, others.ux) != 0);
	fstat(fds[0], &stat);
	result("a socket is called by its inode", stat.st_ino, strtoul(names.sock, NULL, 16));
	result("f19: memory that is not there", -EFAULT, of(ioctl(node, USBIP_UX_IOCGETKADDR, 16)));
	result("f14: the structure of the first version", -EINVAL, of(ioctl(node, 0x80106d04, &names)));
	/* Not 1 or 2, which the kernel answers for every file. */
	result("f14: the bare number", -EINVAL, of(ioctl(node, 3)));
	result("a number too many", -EINVAL, of(ioctl(node, _IO('m', 5))));

	/* The socket is not kept open by the node. */
	close(fds[0]);
	result("the peer of a closed socket sees the end", 0, of(read(fds[1], &byte, 1)));
	close(fds[1]);
	close(node);
	close(other);

	/* f2: a new socket at the place of an old one is another one. */
	node = node_with(0);
	pair(SOCK_STREAM, fds);
	result("f2: a socket", 0, of(ioctl(node, USBIP_UX_IOCSETSOCKFD, fds[0])));
	for (int round = 0; round < 200; round++) {
		close(fds[0]);
		close(fds[1]);
		pair(SOCK_STREAM, fds);
		other = node_with(0);
		if (ioctl(other, USBIP_UX_IOCSETSOCKFD, fds[0])) {
			result("f2: a new socket is not the old one", 0, -errno);
			break;
		}
		close(other);
	}
	close(node);
}

static void nothing(int signal)
{
	(void)signal;
}

static void *interrupt_soon(void *node)
{
	usleep(300000);
	ioctl(*(int *)node, USBIP_UX_IOCINTR);
	return NULL;
}

/* The port asks its device for descriptors, and gets none. */
static void carry(void)
{
	struct sigaction action = { .sa_handler = nothing };
	unsigned char pdu[HEADER];
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct itimerval soon = { .it_value.tv_usec = 300000, .it_interval.tv_usec = 300000 }, never = { 0 };
	int node, socket, events, rest = HEADER;
	unsigned char answer[HEADER + 18] = { 0, 0, 0, 3 };
	struct iovec parts[3] = { { pdu, 16 }, { pdu + 16, 16 }, { pdu + 32, 16 } };
	char *missing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *lazy = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	node = carried(0, 0, &socket);
	result("f8: a node is linked once", -EINVAL, plug(1, socket));
	result("the first PDU comes", POLLIN, awaited(node, POLLIN, 20) & POLLIN);
	result("and a write would be taken", POLLOUT, polled(node, 0) & POLLOUT);
	result("f19: read to memory that is not there", -EFAULT, of(read(node, missing, 4096)));
	result("f19: write from memory that is not there", -EFAULT, of(write(node, missing, 4096)));
	/* In pieces, as small as can be. */
	for (unsigned char *to = pdu; rest; rest--, to++)
		if (read(node, to, 1) != 1)
			break;
	result("a PDU is read byte by byte", 0, rest);
	result("it is a request", 1, word(pdu, 0));
	result("of the device", 65538, word(pdu, 8));

	fcntl(node, F_SETFL, O_NONBLOCK);
	result("f17: nothing of length 0, and EAGAIN if there is nothing", -EAGAIN, drained(node));
	fcntl(node, F_SETFL, 0);

	/* f9: a signal that does not restart calls gives EINTR, one that does lets them wait on. */
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	result("f9: a read that a signal ends", -EINTR, drained(node));
	result("the connection is still there", 0, polled(node, 0) & POLLHUP);
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	pthread_create(&thread, NULL, interrupt_soon, &node);
	result("f9: a read that INTR ends", -EINTR, drained(node));
	result("f9: and not a signal that restarts it", POLLHUP, polled(node, 0) & POLLHUP);
	pthread_join(thread, NULL);
	setitimer(ITIMER_REAL, &never, NULL);
	result("f9: and what comes later", -EINTR, of(read(node, pdu, HEADER)));
	result("a write at the end", -EINTR, of(write(node, pdu, HEADER)));
	events = polled(node, 0);
	result("the end is seen by poll", POLLIN | POLLOUT | POLLHUP, events & ~POLLERR);
	result("f12: a node that ended is not linked again", -EINVAL, plug(1, socket));
	close(node);
	close(socket);

	/* Of several pieces, and to several. The descriptor is one of no device at all: the port asks again. */
	node = carried(1, 0, NULL);
	awaited(node, POLLIN, 20);
	result("a PDU is read to three places", HEADER, of(readv(node, parts, 3)));
	result("and is whole", 1, word(pdu, 0));
	memcpy(answer + 4, pdu + 4, 4);
	answer[27] = 18;
	parts[0] = (struct iovec){ answer, 20 };
	parts[1] = (struct iovec){ answer + 20, 0 };
	parts[2] = (struct iovec){ answer + 20, sizeof(answer) - 20 };
	result("an answer is written from three places", sizeof(answer), of(writev(node, parts, 3)));
	result("and what comes then is a PDU", POLLIN, awaited(node, POLLIN, 20) & POLLIN);
	result("of the same length", HEADER, of(read(node, pdu, sizeof(pdu))));
	result("with the next number", word(answer, 4) + 1, word(pdu, 4));
	close(node);

	/* epoll, edge by edge, and an answer in one piece with garbage behind it. */
	node = carried(2, O_NONBLOCK, NULL);
	events = epoll_create1(0);
	epoll_ctl(events, EPOLL_CTL_ADD, node, &event);
	while ((rest = read(node, lazy, 1 << 20)) < 0 && errno == EAGAIN)
		if (epoll_wait(events, &event, 1, 20000) != 1)
			break;
	result("epoll wakes, and a PDU comes to memory that was never touched", HEADER, rest);
	memset(lazy + HEADER, 0xff, 4096);
	result("garbage is taken or refused", 1, (rest = of(write(node, lazy + HEADER, 4096))) > 0 || rest == -EINTR);
	result("garbage ends the connection", POLLHUP, awaited(node, POLLHUP, 20));
	result("and nothing more is taken", -EINTR, of(write(node, lazy, HEADER)));
	close(events);
	close(node);
}

/* A device with an endpoint in either direction, of no class: what it says of itself. */
static const unsigned char device_descriptor[18] = {
	18, 1, 0x00, 0x02, 0xff, 0, 0, 64, 0x09, 0x12, 0x01, 0x00, 0, 1, 0, 0, 0, 1,
};
static const unsigned char configuration[32] = {
	9, 2, 32, 0, 1, 1, 0, 0x80, 50,
	9, 4, 0, 0, 2, 0xff, 0, 0, 0,
	7, 5, 0x81, 2, 0x00, 0x02, 0,
	7, 5, 0x02, 2, 0x00, 0x02, 0,
};

#define BATCH 8
#define PIECE 64

static void put(unsigned char *header, int at, uint32_t value)
{
	header[at] = value >> 24;
	header[at + 1] = value >> 16;
	header[at + 2] = value >> 8;
	header[at + 3] = value;
}

/* The answer to a request, with so many bytes of data. */
static int answered(unsigned char *to, const unsigned char *request, int status, const void *data, int length)
{
	memset(to, 0, HEADER);
	put(to, 0, 3);
	memcpy(to + 4, request + 4, 4);
	put(to, 20, status);
	put(to, 24, length);
	if (data)
		memcpy(to + HEADER, data, length);
	return data ? HEADER + length : HEADER;
}

/* Answers a control request as that device does: what there is no descriptor for is stalled. */
static void control(int node, const unsigned char *request)
{
	const unsigned char *setup = request + 40, *data = NULL;
	unsigned char answer[HEADER + sizeof(configuration)];
	int length = 0, status = 0, wanted = setup[6] | setup[7] << 8;

	if (setup[0] == 0x80 && setup[1] == 6 && setup[3] == 1)
		data = device_descriptor, length = sizeof(device_descriptor);
	else if (setup[0] == 0x80 && setup[1] == 6 && setup[3] == 2)
		data = configuration, length = sizeof(configuration);
	else if (setup[0] & 0x80)
		status = -EPIPE;
	length = answered(answer, request, status, data, length < wanted ? length : wanted);
	if (write(node, answer, length) != length)
		printf("not ok a control request is answered\n"), failures++;
}

/* The device in usbfs, once it is configured, or -1. */
static int usbfs(void)
{
	unsigned int interface = 0, bus, number;
	char text[64] = "", *end;
	glob_t found;
	int fd = -1;

	if (glob("/sys/bus/usb/devices/*/idVendor", 0, NULL, &found))
		return -1;
	for (size_t at = 0; at < found.gl_pathc && fd < 0; at++) {
		const char *names[] = { "idVendor", "bConfigurationValue", "busnum", "devnum" };
		unsigned long values[4] = { 0 };

		for (int name = 0; name < 4; name++) {
			char path[512];
			int file;

			snprintf(path, sizeof(path), "%.*s/%s", (int)(strrchr(found.gl_pathv[at], '/') - found.gl_pathv[at]),
				 found.gl_pathv[at], names[name]);
			file = open(path, O_RDONLY);
			memset(text, 0, sizeof(text));
			if (file >= 0 && read(file, text, sizeof(text) - 1) > 0)
				values[name] = strtoul(text, &end, name ? 10 : 16);
			if (file >= 0)
				close(file);
		}
		if (values[0] != 0x1209 || values[1] != 1)
			continue;
		bus = values[2], number = values[3];
		snprintf(text, sizeof(text), "/dev/bus/usb/%03u/%03u", bus, number);
		fd = open(text, O_RDWR);
	}
	globfree(&found);
	if (fd >= 0 && ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

struct player {
	int node;
	int stop;
};

/* Plays the device, until it is told to stop. */
static void *played(void *argument)
{
	struct player *player = argument;
	unsigned char request[HEADER];

	while (!__atomic_load_n(&player->stop, __ATOMIC_RELAXED))
		if (!(polled(player->node, 0) & POLLIN))
			usleep(10000);
		else if (read(player->node, request, sizeof(request)) == sizeof(request))
			control(player->node, request);
	return NULL;
}

/* Makes several transfers at once, and reads and answers them with as few calls as possible. */
static void batch(const char *direction, int node, int fd, int endpoint)
{
	static unsigned char data[BATCH][PIECE], requests[BATCH * (HEADER + PIECE)], answers[BATCH * (HEADER + PIECE)];
	int is_in = endpoint & 0x80, each = is_in ? HEADER : HEADER + PIECE, total = 0, calls = 0, most = 0, length = 0, done = 0;
	struct usbdevfs_urb urbs[BATCH], *ended;
	char name[80];
	long got;

	memset(urbs, 0, sizeof(urbs));
	for (int at = 0; at < BATCH; at++) {
		memset(data[at], is_in ? 0 : at, PIECE);
		urbs[at].type = USBDEVFS_URB_TYPE_BULK;
		urbs[at].endpoint = endpoint;
		urbs[at].buffer = data[at];
		urbs[at].buffer_length = PIECE;
		if (ioctl(fd, USBDEVFS_SUBMITURB, &urbs[at]))
			perror("submit"), failures++;
	}
	/* Which are in the line now, but for what was taken from it before. */
	usleep(500000);
	while (total < BATCH * each && (got = read(node, requests + total, sizeof(requests) - total)) > 0) {
		total += got;
		calls++;
		most = got > most ? got : most;
	}
	snprintf(name, sizeof(name), "%s: all requests are read", direction);
	result(name, BATCH * each, total);
	/* What is taken from the line first is what there is by then, and who submits is in no hurry. */
	snprintf(name, sizeof(name), "%s: by few calls, several with one of them (%d calls, at most %d bytes)", direction, calls, most);
	result(name, 1, calls <= 3 && most > each);
	for (int at = 0; at < BATCH; at++) {
		unsigned char reply[PIECE];

		memset(reply, at + 1, sizeof(reply));
		length += answered(answers + length, requests + at * each, 0, is_in ? reply : NULL, is_in ? PIECE : 0);
		put(answers + length - (is_in ? HEADER + PIECE : HEADER), 24, PIECE);
	}
	snprintf(name, sizeof(name), "%s: all answers are written by one call", direction);
	result(name, length, of(write(node, answers, length)));
	for (time_t began = time(NULL); done < BATCH && time(NULL) < began + 20;) {
		if (ioctl(fd, USBDEVFS_REAPURBNDELAY, &ended)) {
			usleep(10000);
			continue;
		}
		done += ended == &urbs[done] && !ended->status && ended->actual_length == PIECE &&
			(!is_in || data[done][0] == done + 1);
	}
	snprintf(name, sizeof(name), "%s: all transfers end as they were answered", direction);
	result(name, BATCH, done);
}

/* A call takes and gives as many PDUs as there are. */
static void batches(void)
{
	struct player player = { .node = carried(0, 0, NULL) };
	time_t began = time(NULL);
	pthread_t thread;
	int fd;

	/* Who looks for the device waits for it: usbcore holds its lock while it asks for descriptors. */
	pthread_create(&thread, NULL, played, &player);
	while ((fd = usbfs()) < 0 && time(NULL) < began + 60)
		usleep(100000);
	__atomic_store_n(&player.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	result("the device is there", 1, fd >= 0);
	if (fd >= 0) {
		batch("out", player.node, fd, 0x02);
		batch("in", player.node, fd, 0x81);
		close(fd);
	}
	close(player.node);
}

/* Begins to run something in a process that is the first of its namespace, and the first of a group there. */
static pid_t begun_alone(int (*body)(int fd), int fd)
{
	pid_t child = fork();
	int status;

	if (child)
		return child;
	if (unshare(CLONE_NEWPID))
		_exit(2);
	child = fork();
	if (!child)
		_exit(setpgid(0, 0) || getpgrp() != 1 ? 3 : body(fd));
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 4);
}

/* Whether a node lives on until somebody has written to the pipe. */
static int lives_on(int fd)
{
	int node = carried(4, 0, NULL);
	char byte;

	if (write(fd, "", 1) != 1 || read(fd, &byte, 1) != 1)
		return 5;
	return polled(node, 0) & POLLHUP ? 1 : 0;
}

static int interrupts_its_group(int fd)
{
	int node = carried(5, 0, NULL);

	(void)fd;
	ioctl(node_with(0), USBIP_UX_IOCINTRPGRP);
	return awaited(node, POLLHUP, 20) == POLLHUP ? 0 : 1;
}

/* Groups with the same number, each in a namespace of its own. */
static void namespaces(void)
{
	int pair[2], status;
	pid_t child;
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		exit(2);
	child = begun_alone(lives_on, pair[1]);
	close(pair[1]);
	result("a node of group 1 in a namespace", 1, read(pair[0], &byte, 1));
	waitpid(begun_alone(interrupts_its_group, -1), &status, 0);
	result("f16: INTRPGRP ends those of group 1 in another namespace", 0, status);
	result("and tells", 1, write(pair[0], "", 1));
	waitpid(child, &status, 0);
	result("f16: but not those of the first", 0, status);
	close(pair[0]);
}

/* Everything that can end it, without anybody hanging. */
static void ends(void)
{
	int node, other, status, pipefd[2];
	unsigned char half[20] = { 0, 0, 0, 3 };
	char byte;
	pid_t child;

	node = carried(0, 0, NULL);
	awaited(node, POLLOUT, 20);
	result("half a PDU", sizeof(half), of(write(node, half, sizeof(half))));
	close(node);
	printf("ok closing in the middle of a PDU\n");

	/* A process group of its own, with a node in it; the other nodes live on. */
	node = carried(1, 0, NULL);
	if (pipe(pipefd))
		exit(2);
	child = fork();
	if (!child) {
		setpgid(0, 0);
		other = carried(2, 0, NULL);
		if (write(pipefd[1], "", 1) != 1)
			_exit(9);
		ioctl(node_with(0), USBIP_UX_IOCINTRPGRP);
		_exit(!(awaited(other, POLLHUP, 20) == POLLHUP && !(polled(node, 0) & POLLHUP)));
	}
	if (read(pipefd[0], &byte, 1) != 1)
		exit(2);
	waitpid(child, &status, 0);
	result("f16: INTRPGRP ends the nodes of the group and no others", 0, status);
	result("f16: ours lives", 0, polled(node, 0) & POLLHUP);
	namespaces();

	/* A process that is killed while it reads. */
	child = fork();
	if (!child) {
		other = carried(3, 0, NULL);
		if (write(pipefd[1], "", 1) != 1)
			_exit(9);
		while (read(other, half, sizeof(half)) > 0)
			;
		_exit(0);
	}
	if (read(pipefd[0], &byte, 1) != 1)
		exit(2);
	usleep(500000);
	kill(child, SIGKILL);
	result("f10: a process that is killed in a read", child, waitpid(child, &status, 0));

	ioctl(node, USBIP_UX_IOCINTR);
	result("INTR ends it", POLLHUP, polled(node, 0) & POLLHUP);
	result("a node can be opened again", 1, (other = node_with(0)) >= 0);
	close(other);
	close(node);
}

struct reader {
	int node;
	long ends;
	int stop;
};

/* Reads again and again, and counts how often that ended. */
static void *read_on(void *argument)
{
	struct reader *reader = argument;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
		drained(reader->node);
		__atomic_add_fetch(&reader->ends, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *read_to_the_end(void *argument)
{
	return (void *)drained(*(int *)argument);
}

/* Writes an answer without end, in pieces that are as odd as its length. */
static void *write_to_the_end(void *argument)
{
	static unsigned char pieces[77];
	long got;

	while ((got = of(write(*(int *)argument, pieces, sizeof(pieces)))) > 0)
		;
	return (void *)got;
}

/* What happens while somebody is about to copy. */
static void races(void)
{
	pthread_t thread, writer;
	struct reader reader = { 0 };
	struct timespec delay = { 0 };
	int fds[2], busy, node, round, stuck = 0, wrong = 0;
	long ends, got = -EBUSY;
	time_t began;
	void *read_end, *write_end;

	/* f6: a connection that is called off as soon as it was offered leaves no reader behind. */
	busy = carried(0, 0, NULL);
	node = node_with(0);
	pair(SOCK_STREAM, fds);
	ioctl(node, USBIP_UX_IOCSETSOCKFD, fds[0]);
	reader.node = node;
	pthread_create(&thread, NULL, read_on, &reader);
	/* The one that is in use is given up after a minute, as nobody reads from it. */
	for (began = time(NULL), round = 0; round < 4000 && got == -EBUSY && time(NULL) < began + 20; round++)
		/* Not always the same: whoever asks again and again gets another port. */
		got = plug_as(65538 + round, 0, fds[0]);
	result("all connections to a port in use are refused", -EBUSY, got);
	ends = __atomic_load_n(&reader.ends, __ATOMIC_RELAXED);
	for (round = 0; round < 500 && __atomic_load_n(&reader.ends, __ATOMIC_RELAXED) == ends; round++)
		usleep(10000);
	result("a read during a refused attach returns", 1, round < 500);
	result("the node can still be linked", 0, plug(1, fds[0]));
	__atomic_store_n(&reader.stop, 1, __ATOMIC_RELAXED);
	ioctl(node, USBIP_UX_IOCINTR);
	pthread_join(thread, NULL);
	close(fds[0]);
	close(fds[1]);
	close(node);
	close(busy);

	/* f1, f4, f5: the end comes from any side while both directions copy. */
	for (round = 0; round < 90; round++) {
		do
			node = carrying(2 + round % 4, 0, NULL);
		while (node < 0 && stuck++ < 2000 && !usleep(10000));
		if (node < 0)
			break;
		pthread_create(&thread, NULL, read_to_the_end, &node);
		pthread_create(&writer, NULL, write_to_the_end, &node);
		delay.tv_nsec = round * 100000;
		nanosleep(&delay, NULL);
		switch (round % 3) {
		case 0:
			ioctl(node, USBIP_UX_IOCINTR);
			break;
		case 1:
			unplug(2 + round % 4);
			break;
		default:
			/* What is written makes no sense. */
			break;
		}
		pthread_join(thread, &read_end);
		pthread_join(writer, &write_end);
		wrong += (long)read_end != -EINTR || (long)write_end != -EINTR;
		close(node);
	}
	result("f5: rounds of an end while both directions copy", 90, round);
	result("f5: every read and write ends with EINTR", 0, wrong);
}

static void stall_timeout(const char *seconds)
{
	int file = open("/sys/module/usbip_core/parameters/stall_timeout", O_WRONLY);

	if (write(file, seconds, strlen(seconds)) < 0)
		perror("stall_timeout");
	close(file);
}

/* Who does nothing for as long as stall_timeout was when the connection was made, with the node open, is given up. */
static void stalls(void)
{
	unsigned char half[20] = { 0, 0, 0, 3 };
	pthread_t thread;
	int node;

	stall_timeout("3");
	node = carried(0, 0, NULL);
	awaited(node, POLLIN, 20);
	stall_timeout("3600");
	result("a program that does not read is given up", POLLHUP, awaited(node, POLLHUP, 60));
	close(node);

	stall_timeout("3");
	node = carried(1, 0, NULL);
	pthread_create(&thread, NULL, read_to_the_end, &node);
	awaited(node, POLLOUT, 20);
	result("half a PDU is taken", sizeof(half), of(write(node, half, sizeof(half))));
	result("a program that leaves it at that is given up", POLLHUP, awaited(node, POLLHUP, 60));
	pthread_join(thread, NULL);
	close(node);
}

/* As many devices as there are ports for them; killed at once. */
static void many(void)
{
	int port, count = 0;

	for (port = 0; count < 64 && port < 240; port++)
		if (port % 30 < 15) {
			if (carried(port, O_NONBLOCK, NULL) < 0)
				break;
			count++;
		}
	result("64 devices at once", 64, count);
	fflush(stdout);
	sleep(2);
	kill(getpid(), SIGKILL);
}

/*
 * One connection, whose calls may be refused one and all: prints how many of the failures that were asked for did not
 * happen (/proc/self/fail-nth), and fails if a call did.
 */
static int once(void)
{
	int fds[2], status = 1, node = open("/dev/usbip-ux", O_RDWR | O_NONBLOCK), left;
	char text[16] = "", byte;

	pair(SOCK_STREAM, fds);
	if (node >= 0 && !ioctl(node, USBIP_UX_IOCSETSOCKFD, fds[0]) && !plug(0, fds[0])) {
		awaited(node, POLLOUT, 20);
		status = 0;
		if (of(read(node, &byte, 1)) == -EINTR)
			status = 1;
		polled(node, 0);
	}
	left = open("/proc/self/fail-nth", O_RDONLY);
	if (left >= 0 && read(left, text, sizeof(text) - 1) > 0)
		fputs(text, stdout);
	return status;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return 2;
	attach_file = argv[2];
	if (!strcmp(argv[1], "calls"))
		calls();
	else if (!strcmp(argv[1], "carry"))
		carry();
	else if (!strcmp(argv[1], "batches"))
		batches();
	else if (!strcmp(argv[1], "ends"))
		ends();
	else if (!strcmp(argv[1], "races"))
		races();
	else if (!strcmp(argv[1], "stalls"))
		stalls();
	else if (!strcmp(argv[1], "many"))
		many();
	else if (!strcmp(argv[1], "once"))
		return once();
	else
		return 2;
	return failures != 0;
}
