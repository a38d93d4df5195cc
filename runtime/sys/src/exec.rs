//! Another program in this process: execve(2) and execveat(2).

use crate::last_errno;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CStr, CString, c_char};

/// A list of strings in the form that execve wants, made once and kept, so that exec itself allocates nothing.
#[derive(Debug)]
pub struct Strings {
    owned: Vec<CString>,
    pointers: Vec<*const c_char>,
    spare: Option<Box<[u8]>>,
}

impl Strings {
    /// Makes the list of `owned`.
    pub fn new(owned: Vec<CString>) -> Self {
        let mut pointers: Vec<*const c_char> = owned.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { owned, pointers, spare: None }
    }

    /// Makes the list of `owned` and keeps room for one string more, of at most `capacity` bytes, that
    /// [`Strings::add`] may put in later without allocating.
    pub fn with_spare(owned: Vec<CString>, capacity: usize) -> Self {
        let mut list = Self::new(owned);
        list.pointers.reserve_exact(1);
        list.spare = Some(vec![0; capacity + 1].into_boxed_slice());
        list
    }

    /// The strings that the list was made of.
    pub fn strings(&self) -> &[CString] {
        &self.owned
    }

    /// Adds one string, given in two parts that are joined, in the room that [`Strings::with_spare`] kept. Returns
    /// whether it fitted; a list takes one such string.
    pub fn add(&mut self, head: &[u8], tail: &[u8]) -> bool {
        let Some(mut room) = self.spare.take() else { return false };
        let length = head.len() + tail.len();
        if length >= room.len() {
            return false;
        }
        for (place, byte) in room.iter_mut().zip(head.iter().chain(tail)) {
            *place = *byte;
        }
        // The room was zeroed, so the string ends here; it is leaked to the list, which lives until exec.
        let text: *const c_char = Box::leak(room).as_ptr().cast();
        self.pointers.pop();
        self.pointers.push(text);
        self.pointers.push(std::ptr::null());
        true
    }
}

/// Replaces this process's program by the one at `path`. Returns only when that fails, with execve's errno.
pub fn exec(path: &CStr, arguments: &Strings, environment: &Strings) -> Errno {
    // SAFETY: path is a C string; both arrays end with a null pointer, and each pointer before it is to a string that the
    // list owns or has leaked, so all live across the call.
    unsafe { libc::execve(path.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr()) };
    last_errno()
}

/// Replaces this process's program by the file that `program` refers to. Returns only when that fails, with execveat's errno.
pub fn exec_fd(program: BorrowedFd<'_>, arguments: &Strings, environment: &Strings) -> Errno {
    let (arguments, environment) = (arguments.pointers.as_ptr(), environment.pointers.as_ptr());
    // SAFETY: the path is an empty C string, which AT_EMPTY_PATH allows; the arrays are as in `exec`.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            arguments,
            environment,
            libc::AT_EMPTY_PATH,
        )
    };
    last_errno()
}
