// SPDX-License-Identifier: GPL-2.0
/*
 * nosend PROGRAM ARGUMENT..
 *
 * Run a program that may not send on any socket: a security module (LSM) says EACCES to it, as AppArmor does to one
 * whose profile has no rule for networks. The security module is a BPF program, for which the
 * kernel must have been started with `lsm=..,bpf`.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK "bpf_lsm_socket_sendmsg"

static int fail(const char *what)
{
	perror(what);
	exit(2);
}

/* Bytes that follow a type, by its kind. */
static size_t tail(uint32_t info)
{
	size_t count = BTF_INFO_VLEN(info);

	switch (BTF_INFO_KIND(info)) {
	case BTF_KIND_INT:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return count * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return count * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return count * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return count * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return count * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	default:
		return 0;
	}
}

/* The number of a function in the kernel's description of its types. */
static uint32_t hook_id(void)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY);
	struct stat size;
	const struct btf_header *header;
	const struct btf_type *type;
	const char *strings, *at, *end;
	char *all;
	uint32_t id = 1;
	ssize_t got;
	off_t have = 0;

	if (fd < 0 || fstat(fd, &size) || !(all = malloc(size.st_size)))
		fail("/sys/kernel/btf/vmlinux");
	while (have < size.st_size && (got = read(fd, all + have, size.st_size - have)) > 0)
		have += got;
	close(fd);
	header = (void *)all;
	strings = all + header->hdr_len + header->str_off;
	at = all + header->hdr_len + header->type_off;
	for (end = at + header->type_len; at < end; id++) {
		type = (void *)at;
		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC && !strcmp(strings + type->name_off, HOOK)) {
			free(all);
			return id;
		}
		at += sizeof(*type) + tail(type->info);
	}
	errno = ENOENT;
	fail(HOOK);
	return 0;
}

int main(int argc, char **argv)
{
	/* r0 = pid_tgid >> 32 == ours ? -EACCES : 0 */
	struct bpf_insn code[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_current_pid_tgid },
		{ .code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .imm = 32 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_1, .off = 1, .imm = getpid() },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -EACCES },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { 0 }, attach = { 0 };
	static char log[16384];
	int program;

	if (argc < 2)
		return 2;
	load.prog_type = BPF_PROG_TYPE_LSM;
	load.expected_attach_type = BPF_LSM_MAC;
	load.attach_btf_id = hook_id();
	load.insns = (uintptr_t)code;
	load.insn_cnt = sizeof(code) / sizeof(*code);
	load.license = (uintptr_t)"GPL";
	load.log_buf = (uintptr_t)log;
	load.log_size = sizeof(log);
	load.log_level = 1;
	program = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	if (program < 0) {
		fputs(log, stderr);
		fail("BPF_PROG_LOAD");
	}
	/* It is in force for as long as this is open: the program that is run inherits it. */
	attach.raw_tracepoint.prog_fd = program;
	program = syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attach, sizeof(attach));
	if (program < 0)
		fail("BPF_RAW_TRACEPOINT_OPEN");
	fcntl(program, F_SETFD, 0);
	execvp(argv[1], argv + 1);
	return fail(argv[1]);
}
