/*
 * Preloaded into linux.uml: completes the register state that user-mode Linux sets with PTRACE_SETREGSET.
 *
 * Debian's user-mode Linux keeps 2,696 bytes of NT_X86_XSTATE. A CPU with AMX has 11,008, and the kernel accepts the whole
 * state only (EFAULT otherwise; arch/x86/kernel/fpu/regset.c, xstateregs_set): user-mode Linux stops at its first process
 * with "ptrace set fp regs failed". PTRACE_GETREGSET needs no help, since it returns as much as the caller has room for
 * (ptrace(2)).
 *
 * The bytes that the caller lacks are those that the process has now. Their components are not in the caller's XSTATE_BV,
 * so the kernel resets them; no program in the test machine uses them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long (*ptrace_fn)(int request, ...);

static ptrace_fn libc_ptrace;

/* User-mode Linux calls from stacks of 16 KiB and from one thread: the buffer is static. */
static unsigned char state[1 << 16] __attribute__((aligned(64)));

__attribute__((constructor)) static void find_libc(void)
{
	libc_ptrace = (ptrace_fn)dlsym(RTLD_NEXT, "ptrace");
}

static long set_whole_state(long pid, void *kind, const struct iovec *given)
{
	struct iovec whole = { .iov_base = state, .iov_len = sizeof(state) };

	if (libc_ptrace(PTRACE_GETREGSET, pid, kind, &whole) < 0)
		return -1;
	if (whole.iov_len <= given->iov_len) {
		errno = EFAULT;
		return -1;
	}
	memcpy(state, given->iov_base, given->iov_len);
	return libc_ptrace(PTRACE_SETREGSET, pid, kind, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	long pid, result;
	void *address, *data;

	va_start(arguments, request);
	pid = va_arg(arguments, long);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);

	result = libc_ptrace(request, pid, address, data);
	if (result < 0 && errno == EFAULT && request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE)
		return set_whole_state(pid, address, data);
	return result;
}
