//! The descriptors that a plan's steps open and use, by slot.

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use tare_plan::step::Slot;

/// The open descriptors of a plan; the table has its full size before init is made, so that filling it never allocates.
pub(crate) struct Slots(Vec<Option<OwnedFd>>);

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| None).collect())
    }

    pub(crate) fn put(&mut self, slot: Slot, fd: OwnedFd) -> Result<(), Fault> {
        let place = self.0.get_mut(usize::from(slot.0)).ok_or(Fault::new(Call::Slot, Errno::BADF))?;
        *place = Some(fd);
        Ok(())
    }

    /// Every slot that is filled.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Slot, BorrowedFd<'_>)> {
        let filled = |(number, fd): (u16, &'_ Option<OwnedFd>)| fd.is_some().then_some(Slot(number));
        let slots = (0..).zip(&self.0).filter_map(filled);
        slots.filter_map(|slot| Some((slot, self.get(slot).ok()?)))
    }

    /// Another descriptor of the same file.
    pub(crate) fn copy_of(&self, slot: Slot) -> Result<OwnedFd, Fault> {
        rustix::io::fcntl_dupfd_cloexec(self.get(slot)?, 3).during(Call::Duplicate)
    }

    pub(crate) fn get(&self, slot: Slot) -> Result<BorrowedFd<'_>, Fault> {
        let place = self.0.get(usize::from(slot.0)).and_then(Option::as_ref);
        place.map(AsFd::as_fd).ok_or(Fault::new(Call::Slot, Errno::BADF))
    }
}
