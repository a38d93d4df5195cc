//! The NUMA memory policy: set_mempolicy(2).

use crate::answer;
use rustix::io::Result;

/// Sets the memory policy of this thread. exec keeps it. `mode` includes the flags, `nodes` has a bit for
/// each node.
///
/// # Errors
/// `EINVAL` for a mode that does not take these nodes, or for nodes that the machine lacks; `ENOSYS` on
/// kernels without NUMA.
pub fn set(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel reads one bit less than `maxnode` says (`get_nodes` in mm/mempolicy.c).
    let bits = nodes.len() * u64::BITS as usize + 1;
    let none = nodes.iter().all(|word| *word == 0);
    let (mask, bits) = if none { (std::ptr::null(), 0) } else { (nodes.as_ptr(), bits) };
    // SAFETY: the pointer is null and the length 0, or it is to a live slice with as many bits as the kernel
    // reads. The kernel copies them.
    answer(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) }).map(drop)
}
