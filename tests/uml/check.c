/*
 * Sets the extended register state of a child with all bytes but the last 64, as user-mode Linux does on a CPU with more
 * state than it knows. Exits with 0 if the kernel accepts that and the child then has the given register, with 2 if the
 * kernel refuses (EFAULT), with 1 for anything else.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The register XMM0 in the legacy region (Intel SDM, volume 1, table 13-1). */
#define XMM0 160
/* XSTATE_BV, bit 1: SSE is not in its initial state (13.4.2). */
#define XSTATE_BV 512

static unsigned char state[1 << 16];

int main(void)
{
	struct iovec vector = { .iov_base = state, .iov_len = sizeof(state) };
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child || ptrace(PTRACE_GETREGSET, child, (void *)NT_X86_XSTATE, &vector) != 0)
		return 1;
	memset(state + XMM0, 0x5a, 16);
	state[XSTATE_BV] |= 2;
	vector.iov_len -= 64;
	if (ptrace(PTRACE_SETREGSET, child, (void *)NT_X86_XSTATE, &vector) != 0) {
		int refused = errno == EFAULT;

		kill(child, SIGKILL);
		return refused ? 2 : 1;
	}
	memset(state, 0, sizeof(state));
	vector.iov_len = sizeof(state);
	if (ptrace(PTRACE_GETREGSET, child, (void *)NT_X86_XSTATE, &vector) != 0)
		return 1;
	kill(child, SIGKILL);
	for (int byte = 0; byte < 16; byte++)
		if (state[XMM0 + byte] != 0x5a)
			return 1;
	return 0;
}
