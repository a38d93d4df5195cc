//! Execution of programs: execve(2) and execveat(2).

use crate::last_errno;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CStr, CString, c_char};

/// An argument vector or an environment in the form that execve(2) takes. It is built before the process
/// forks, so exec itself allocates nothing.
#[derive(Debug)]
pub struct Strings {
    owned: Vec<CString>,
    pointers: Vec<*const c_char>,
    spare: Option<Box<[u8]>>,
}

impl Strings {
    /// Builds the list.
    pub fn new(owned: Vec<CString>) -> Self {
        let mut pointers: Vec<*const c_char> = owned.iter().map(|text| text.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { owned, pointers, spare: None }
    }

    /// Builds the list with room for one more string of at most `capacity` bytes. [`Strings::add`] later adds
    /// it without allocating.
    pub fn with_spare(owned: Vec<CString>, capacity: usize) -> Self {
        let mut list = Self::new(owned);
        list.pointers.reserve_exact(1);
        list.spare = Some(vec![0; capacity + 1].into_boxed_slice());
        list
    }

    /// Returns the strings without an added one.
    pub fn strings(&self) -> &[CString] {
        &self.owned
    }

    /// Adds one string, `head` followed by `tail`, in the room of [`Strings::with_spare`]. Returns whether
    /// there was room. A list takes one such string. `head` and `tail` have no NUL.
    pub fn add(&mut self, head: &[u8], tail: &[u8]) -> bool {
        let Some(mut room) = self.spare.take() else { return false };
        let length = head.len() + tail.len();
        if length >= room.len() {
            return false;
        }
        for (place, byte) in room.iter_mut().zip(head.iter().chain(tail)) {
            *place = *byte;
        }
        // The room was zeroed, so a NUL ends the string. It is leaked: the list lives until exec, and a
        // pointer to memory that it owns would need care when the list moves.
        let text: *const c_char = Box::leak(room).as_ptr().cast();
        self.pointers.pop();
        self.pointers.push(text);
        self.pointers.push(std::ptr::null());
        true
    }
}

/// Executes the program at `path` in this process. Returns only if that fails, with the errno of execve(2).
pub fn exec(path: &CStr, arguments: &Strings, environment: &Strings) -> Errno {
    // SAFETY: path is a C string. Both arrays end with a null pointer, and each pointer before it is to a C
    // string that the list owns or has leaked. All of them outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr()) };
    last_errno()
}

/// Executes the file that `program` refers to in this process. Returns only if that fails, with the errno of
/// execveat(2).
pub fn exec_fd(program: BorrowedFd<'_>, arguments: &Strings, environment: &Strings) -> Errno {
    let (arguments, environment) = (arguments.pointers.as_ptr(), environment.pointers.as_ptr());
    // SAFETY: the path is an empty C string, which AT_EMPTY_PATH allows. The arrays are as in `exec`.
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
