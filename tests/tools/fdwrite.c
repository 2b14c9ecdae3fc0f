// SPDX-License-Identifier: GPL-2.0
/*
 * fdwrite [-p GO] [-w SECONDS] KIND FILE TEXT [FILE TEXT]
 *
 * Write TEXT to FILE with one write(2), as the tools do, with a file descriptor of a chosen kind open; "{}" in
 * TEXT becomes its number and "\n" a newline. Print "ok COUNT" or the name of the errno. With -w, a
 * child keeps the peer open for so long, or until the kernel closes the descriptor, which only it holds then.
 * The second TEXT is about the peer: what is given both ends to, is connected. With -p, it is written when there is a
 * file GO.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int checked(int fd, const char *what)
{
	if (fd < 0) {
		perror(what);
		exit(2);
	}
	return fd;
}

/* The other end of what descriptor() returned; it stays in this process. */
static int peer = -1;

static int pair(int type)
{
	int fds[2];

	checked(socketpair(AF_UNIX, type, 0, fds), "socketpair");
	peer = fds[1];
	return fds[0];
}

/* A stream connection to ourselves; bind() completes the address. */
static int connected(struct sockaddr *address, socklen_t length)
{
	int listener = checked(socket(address->sa_family, SOCK_STREAM, 0), "socket");
	int fd = checked(socket(address->sa_family, SOCK_STREAM, 0), "socket");

	checked(bind(listener, address, length), "bind");
	checked(listen(listener, 1), "listen");
	checked(getsockname(listener, address, &length), "getsockname");
	checked(connect(fd, address, length), "connect");
	peer = checked(accept(listener, NULL, NULL), "accept");
	close(listener);
	return fd;
}

static int connected_tcp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return connected((struct sockaddr *)&address, sizeof(address));
}

static int connected_vsock(void)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};

	return connected((struct sockaddr *)&address, sizeof(address));
}

/* The kernel encrypts; the keys, which a handshake would agree on, are known to everybody. */
static void encrypt(int fd)
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
		.info = { .version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
	};

	checked(setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4), "tls");
	checked(setsockopt(fd, SOL_TLS, TLS_TX, &keys, sizeof(keys)), "TLS_TX");
	checked(setsockopt(fd, SOL_TLS, TLS_RX, &keys, sizeof(keys)), "TLS_RX");
}

static int connected_ktls(void)
{
	int fd = connected_tcp();

	encrypt(fd);
	encrypt(peer);
	return fd;
}

static int descriptor(const char *kind)
{
	int fds[2];

	if (!strcmp(kind, "none"))
		return -1;
	if (!strcmp(kind, "closed"))
		return 77;
	if (!strcmp(kind, "unix-stream"))
		return pair(SOCK_STREAM);
	if (!strcmp(kind, "unix-dgram"))
		return pair(SOCK_DGRAM);
	if (!strcmp(kind, "unix-seqpacket"))
		return pair(SOCK_SEQPACKET);
	if (!strcmp(kind, "tcp"))
		return checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
	if (!strcmp(kind, "tcp-connected"))
		return connected_tcp();
	if (!strcmp(kind, "vsock"))
		return connected_vsock();
	if (!strcmp(kind, "ktls"))
		return connected_ktls();
	if (!strcmp(kind, "udp"))
		return checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	if (!strcmp(kind, "file"))
		return checked(open("/etc/passwd", O_RDONLY), "open");
	if (!strcmp(kind, "pipe")) {
		checked(pipe(fds), "pipe");
		return fds[0];
	}
	fprintf(stderr, "fdwrite: unknown kind '%s'\n", kind);
	exit(2);
}

/* TEXT with "{}" and "\n" replaced. */
static size_t expand(const char *text, int fd, char *out, size_t room)
{
	size_t length = 0;

	while (*text && length + 16 < room) {
		if (!strncmp(text, "{}", 2)) {
			length += sprintf(out + length, "%d", fd);
			text += 2;
		} else if (!strncmp(text, "\\n", 2)) {
			out[length++] = '\n';
			text += 2;
		} else {
			out[length++] = *text++;
		}
	}
	return length;
}

/* Print what write(2) says; return its count. */
static ssize_t write_to(const char *path, const char *text, int fd)
{
	static char expanded[65536];
	size_t length = expand(text, fd, expanded, sizeof(expanded));
	int file = open(path, O_WRONLY);
	ssize_t count;

	if (file < 0) {
		printf("open:%s\n", strerrorname_np(errno));
		return -1;
	}
	count = write(file, expanded, length);
	if (count < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("ok %zd\n", count);
	close(file);
	return count;
}

int main(int argc, char **argv)
{
	int option, seconds = 0, fd;
	const char *go = NULL;
	ssize_t count;

	while ((option = getopt(argc, argv, "+p:w:")) != -1) {
		if (option == 'p')
			go = optarg;
		else if (option == 'w')
			seconds = atoi(optarg);
		else
			return 2;
	}
	argc -= optind;
	argv += optind;
	if (argc != 3 && argc != 5) {
		fprintf(stderr, "usage: fdwrite [-p GO] [-w SECONDS] KIND FILE TEXT [FILE TEXT]\n");
		return 2;
	}
	fd = descriptor(argv[0]);
	count = write_to(argv[1], argv[2], fd);
	while (count >= 0 && go && access(go, F_OK))
		usleep(10000);
	if (count >= 0 && argc == 5)
		count = write_to(argv[3], argv[4], peer);
	fflush(stdout);
	if (count >= 0 && seconds && !fork()) {
		/* Whoever reads our output is not to wait for this process. */
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		if (fd >= 0)
			close(fd);
		poll(&(struct pollfd){ .fd = peer, .events = POLLRDHUP }, 1, seconds * 1000);
	}
	return count < 0;
}
