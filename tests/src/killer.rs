//! The killer: runs a command under ptrace and kills it at a system call of choice.
