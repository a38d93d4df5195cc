//! From which nodes memory comes: set_mempolicy(2).

use crate::answer;
use rustix::io::Result;

/// Sets the memory policy of this thread, which is kept across exec; `mode` holds its flags as well, `nodes` is a bit for each
/// node, none of them for no nodes at all.
///
/// # Errors
/// `EINVAL` for modes and nodes that do not go together, or nodes that are not there; `ENOSYS` on kernels without NUMA.
pub fn set(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel takes one bit less than it is told (set_mempolicy(2), "BUGS").
    let bits = nodes.len() * u64::BITS as usize + 1;
    let none = nodes.iter().all(|word| *word == 0);
    let (mask, bits) = if none { (std::ptr::null(), 0) } else { (nodes.as_ptr(), bits) };
    // SAFETY: the pointer is null with a length of nothing, or to a live slice that has as many bits as the kernel reads;
    // the kernel keeps a copy of its own.
    answer(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) }).map(drop)
}
