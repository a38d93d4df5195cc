//! What init still holds when it is ready: the standard streams, what the caller asked to be kept, and what it waits with.

use super::Init;
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use tare_plan::step::Slot;
use tare_sys::descriptors::{close_range, close_range_on_exec};

/// How many descriptors init may still need: its channel, its terminal, and what the plan's later steps use.
const KEPT: usize = 8;

/// Closes everything from number 3 on but the `preserve` descriptors that the caller hands to the container, the
/// channel, the terminal and what the plan's later steps use. None of those is a path of the host.
///
/// Whatever else the caller had leaked into this process is closed here too, or at the latest by exec.
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

/// Closes what is this program's own and not needed any more, even where its number is below `first`: that range is the
/// caller's, and nothing of ours may pass for it.
fn close_own(init: &Init<'_>, first: u32, keep: &[Slot]) -> Result<(), Fault> {
    let slots = init.slots.all().filter(|(slot, _)| !keep.contains(slot)).map(|(_, fd)| fd.as_raw_fd());
    let own = std::iter::once(init.resources.host_proc.as_raw_fd()).chain(slots).map(i32::cast_unsigned);
    for number in own.filter(|number| *number < first) {
        close_range(number, number).during(Call::Close)?;
    }
    Ok(())
}

/// Closes from `first` on everything but `kept`, which is in order.
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
