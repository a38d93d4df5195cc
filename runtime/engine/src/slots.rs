//! The slots of a plan: file descriptors that one step opens and later steps use.

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use tare_plan::step::Slot;

/// The open file descriptors of a plan. The table has its full size before the parent spawns init, so that init can fill it
/// without an allocation.
pub(crate) struct Slots(Vec<Option<OwnedFd>>);

impl Slots {
    /// Creates an empty table with `count` slots.
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| None).collect())
    }

    /// Stores a file descriptor and closes the one that was in the slot before.
    pub(crate) fn put(&mut self, slot: Slot, fd: OwnedFd) -> Result<(), Fault> {
        let place = self.0.get_mut(usize::from(slot.0)).ok_or(Fault::new(Call::Slot, Errno::BADF))?;
        *place = Some(fd);
        Ok(())
    }

    /// Iterates over the filled slots.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Slot, BorrowedFd<'_>)> {
        let filled = |(number, fd): (u16, &'_ Option<OwnedFd>)| fd.is_some().then_some(Slot(number));
        let slots = (0..).zip(&self.0).filter_map(filled);
        slots.filter_map(|slot| Some((slot, self.get(slot).ok()?)))
    }

    /// Duplicates the file descriptor. The numbers 0 to 2 are the standard streams of the container, so the copy begins at 3.
    pub(crate) fn copy_of(&self, slot: Slot) -> Result<OwnedFd, Fault> {
        rustix::io::fcntl_dupfd_cloexec(self.get(slot)?, 3).during(Call::Duplicate)
    }

    /// Returns the file descriptor. An empty slot is an error of the plan: no step before has filled it.
    pub(crate) fn get(&self, slot: Slot) -> Result<BorrowedFd<'_>, Fault> {
        let place = self.0.get(usize::from(slot.0)).and_then(Option::as_ref);
        place.map(AsFd::as_fd).ok_or(Fault::new(Call::Slot, Errno::BADF))
    }
}
