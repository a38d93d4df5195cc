//! The file descriptors that init keeps when it waits for `start`: the standard streams, those of `--preserve-fds`, and its own.
//!
//! A leaked descriptor of a host directory would be a way out of the container (CVE-2024-21626, CVE-2016-9962).

use super::state::Init;
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use tare_plan::step::Slot;
use tare_sys::descriptors::{close_range, close_range_on_exec};

/// The largest number of descriptors that init may still need: the channel, the terminal, and the slots of later steps.
const KEPT: usize = 8;

/// Closes all file descriptors from 3 on, except the `preserve` descriptors of the caller and those that init still needs.
///
/// Descriptors that the caller leaked are closed too. Those that are kept get close-on-exec, so the program gets only the
/// standard streams and the preserved ones.
pub(super) fn close_fds(init: &Init<'_>, preserve: u32, keep: &[Slot]) -> Result<(), Fault> {
    let first = preserve.saturating_add(3);
    close_own(init, first, keep)?;
    close_range_on_exec(first, u32::MAX).during(Call::Close)?;
    let mut kept = [u32::MAX; KEPT];
    let later = keep.iter().filter_map(|slot| init.slots.get(*slot).ok()).map(|fd| fd.as_raw_fd());
    let own = [Some(init.resources.channel.as_fd()), init.terminal.as_ref().map(AsFd::as_fd)];
    let own = own.into_iter().flatten().map(|fd: BorrowedFd<'_>| fd.as_raw_fd());
    for (place, number) in kept.iter_mut().zip(own.chain(later)) {
        *place = number.cast_unsigned();
    }
    kept.sort_unstable();
    close_between(first, kept.into_iter().take_while(|number| *number != u32::MAX))
}

/// Closes init's own unneeded descriptors, also below `first`. The numbers below `first` are for the caller's descriptors, and the
/// program would get ours as one of them.
fn close_own(init: &Init<'_>, first: u32, keep: &[Slot]) -> Result<(), Fault> {
    let slots = init.slots.all().filter(|(slot, _)| !keep.contains(slot)).map(|(_, fd)| fd.as_raw_fd());
    let own = std::iter::once(init.resources.host_proc.as_raw_fd()).chain(slots).map(i32::cast_unsigned);
    for number in own.filter(|number| *number < first) {
        close_range(number, number).during(Call::Close)?;
    }
    Ok(())
}

/// Closes all descriptors from `first` on except `kept`, which is sorted. One close_range(2) closes a whole gap.
fn close_between(first: u32, kept: impl Iterator<Item = u32>) -> Result<(), Fault> {
    let mut from = first;
    for number in kept.filter(|number| *number >= first) {
        if number > from {
            close_range(from, number - 1).during(Call::Close)?;
        }
        from = number + 1;
    }
    close_range(from, u32::MAX).during(Call::Close)
}
