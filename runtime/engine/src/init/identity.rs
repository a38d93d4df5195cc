//! The identity of the process: user, groups, capabilities, resource limits, no_new_privs (credentials(7), capabilities(7)).

use crate::child::die_with_parent;
use crate::fault::{Call, During, Fault};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use tare_plan::step::{Capabilities, Identity, IdentityStep, NoNewPrivileges, Rlimit, Verify};

/// Carries out a step on the process's identity.
pub(super) fn act(step: &IdentityStep) -> Result<(), Fault> {
    match step {
        IdentityStep::BoundCapabilities(keep) => bound_capabilities(*keep),
        IdentityStep::Rlimit(limit) => set_rlimit(limit),
        IdentityStep::User(identity) => set_ids(identity),
        IdentityStep::Capabilities(sets) => set_capabilities(*sets),
        IdentityStep::NoNewPrivileges => thread::set_no_new_privs(true).during(Call::Prctl),
        IdentityStep::Verify(verify) => self::verify(verify),
    }
}

/// Sets the supplementary groups, the group and the user. The user comes last, because with it the process loses the permission for
/// the other two calls.
///
/// The permitted capabilities are kept (prctl(2), `PR_SET_KEEPCAPS`): a later step sets those of the configuration.
fn set_ids(identity: &Identity) -> Result<(), Fault> {
    thread::set_keep_capabilities(true).during(Call::Prctl)?;
    if let Some(groups) = &identity.groups {
        set_groups(groups)?;
    }
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    thread::set_thread_res_gid(gid, gid, gid).during(Call::SetGroup)?;
    thread::set_thread_res_uid(uid, uid, uid).during(Call::SetUser)?;
    // A change of the effective user clears the parent-death signal (prctl(2), PR_SET_PDEATHSIG).
    die_with_parent()?;
    restore_effective()
}

/// Sets the supplementary groups (setgroups(2)).
fn set_groups(groups: &[u32]) -> Result<(), Fault> {
    /// The largest number of groups, on the stack. The kernel accepts 65,536; configurations have a few dozen.
    const ROOM: usize = 4096;
    let mut room = [Gid::ROOT; ROOM];
    for (place, gid) in room.iter_mut().zip(groups) {
        *place = Gid::from_raw(*gid);
    }
    let list = room.get(..groups.len()).ok_or(Fault::new(Call::SetGroups, Errno::INVAL))?;
    thread::set_thread_groups(list).during(Call::SetGroups)
}

/// Makes all permitted capabilities effective again. The change from user 0 has cleared them (capabilities(7), "Effect of user ID
/// changes on capabilities").
fn restore_effective() -> Result<(), Fault> {
    let mut sets = thread::capabilities(None).during(Call::SetCapabilities)?;
    sets.effective = sets.permitted;
    thread::set_capabilities(None, sets).during(Call::SetCapabilities)
}

/// Sets a resource limit of this process (prlimit(2)).
fn set_rlimit(limit: &Rlimit) -> Result<(), Fault> {
    tare_sys::rlimit::set(None, limit.resource.resource(), limit.soft, limit.hard).during(Call::Rlimit)
}

/// Drops every capability except `keep` from the bounding set, up to the last one that the kernel knows. `EINVAL` marks the end
/// (prctl(2), `PR_CAPBSET_DROP`).
fn bound_capabilities(keep: u64) -> Result<(), Fault> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        let done = if keep & (1 << bit) == 0 {
            thread::remove_capability_from_bounding_set(capability)
        } else {
            thread::capability_is_in_bounding_set(capability).map(drop)
        };
        match done {
            Err(Errno::INVAL) => break,
            done => done.during(Call::SetCapabilities).map_err(|fault| fault.detail(bit))?,
        }
    }
    Ok(())
}

/// Sets the capability sets. The ambient set comes last: a capability in it has to be permitted and inheritable
/// (capabilities(7)).
fn set_capabilities(sets: Capabilities) -> Result<(), Fault> {
    let kernel = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(sets.effective),
        permitted: CapabilitySet::from_bits_retain(sets.permitted),
        inheritable: CapabilitySet::from_bits_retain(sets.inheritable),
    };
    thread::clear_ambient_capability_set().during(Call::SetCapabilities)?;
    thread::set_capabilities(None, kernel).during(Call::SetCapabilities)?;
    for bit in (0..u64::BITS).filter(|bit| sets.ambient & (1 << bit) != 0) {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        thread::configure_capability_in_ambient_set(capability, true).during(Call::SetCapabilities)?;
    }
    Ok(())
}

/// Reads the identity back and compares it with the plan. The program must not start with more privileges than planned, even if
/// a call had no effect.
fn verify(planned: &Verify) -> Result<(), Fault> {
    let user = rustix::process::getuid().as_raw() == planned.uid
        && rustix::process::geteuid().as_raw() == planned.uid;
    let group = rustix::process::getgid().as_raw() == planned.gid
        && rustix::process::getegid().as_raw() == planned.gid;
    let privileges =
        thread::no_new_privs().during(Call::Prctl)? == (planned.no_new_privileges == NoNewPrivileges::Set);
    let capabilities = match planned.capabilities {
        Some(sets) => {
            let now = thread::capabilities(None).during(Call::SetCapabilities)?;
            now.effective.bits() == sets.effective
                && now.permitted.bits() == sets.permitted
                && now.inheritable.bits() == sets.inheritable
        }
        None => true,
    };
    // The detail is the index of the first difference.
    let differing = [user, group, privileges, capabilities].iter().position(|same| !same);
    match differing {
        None => Ok(()),
        Some(which) => Err(Fault::new(Call::Verify, Errno::PERM).detail(which as u32)),
    }
}
