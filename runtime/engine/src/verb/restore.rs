//! The verb `restore`: a container from the files that `checkpoint` made of it.

use crate::cgroup;
use crate::cgroup::resctrl;
use crate::cgroup::steps;
use crate::container::bundle::Bundle;
use crate::container::process::{self, ProcessId};
use crate::container::record::Record;
use crate::container::store::{Entry, Store};
use crate::criu::images::{self, Missing};
use crate::criu::message::{CgroupRoot, Inherited, Kind, Notice, Options, Request};
use crate::criu::options::{Common, Directories};
use crate::criu::{Service, options, success};
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::hook::{self, PreparedHook, run_all};
use crate::mounts::inside::{Inside, open_host};
use crate::parent::Created;
use crate::parent::made::Made;
use crate::parent::private_root::PrivateRoot;
use crate::slots::Slots;
use crate::systemd::unit;
use crate::verb::create::{self, Creation};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::CString;
use tare_plan::context::Detach;
use tare_plan::criu::{ExternalMount, ExternalNamespace, ParentMount};
use tare_plan::host::{CgroupVersion, Host};
use tare_plan::restore::{Restore, RestoreStep};
use tare_plan::step::{Hook, HookKind, Slot, Status};
use tare_sys::clone::Spawned;

/// What is asked of `restore`.
#[derive(Debug)]
pub struct Asked<'text> {
    /// What both verbs take.
    pub common: Common,
    /// Who the container becomes.
    pub request: tare_plan::context::Request<'text>,
    /// Whether the caller leaves when the container runs.
    pub detach: Detach,
    /// Connections are closed instead of being brought back.
    pub tcp_close: bool,
    /// A security module's profile instead of the one that was dumped.
    pub lsm_profile: Option<String>,
    /// A context for mounts instead of the one that was dumped.
    pub lsm_mount_context: Option<String>,
}

/// A container on its way back.
struct Restoring<'a> {
    asked: &'a Asked<'a>,
    host: Host,
    entry: Entry,
    record: Record,
    made: Made,
    terminal: Option<OwnedFd>,
}

/// Brings a container back. It runs when this returns; its init is a child of this process.
///
/// # Errors
/// Mistakes in the configuration, an id that is taken, a missing or too old criu, and the error of criu itself. Nothing is
/// left of the container then.
pub fn restore(store: &Store, bundle: &Bundle, asked: &Asked<'_>) -> Result<Created> {
    store.check_free(asked.request.id)?;
    create::check_terminal(Creation { bundle, request: &asked.request, detach: asked.detach })?;
    let host = create::host(&asked.request)?;
    let plan = tare_plan::restore::restore(&bundle.config, &host, &asked.request).map_err(Error::Config)?;
    let record = create::record(bundle, &host, &asked.request);
    let entry = store.reserve(asked.request.id)?;
    create::begin(bundle, &record, &entry)?;
    let made = Made::of(&record);
    let mut restoring = Restoring { asked, host, entry, record, made, terminal: None };
    match restoring.bring_back(&plan) {
        Ok(init) => {
            let Restoring { mut entry, record, terminal, mut made, .. } = restoring;
            made.keep();
            entry.keep();
            Ok(Created { entry, record, init, terminal })
        }
        Err(error) => {
            if restoring.made.remove().is_err() {
                restoring.entry.keep();
            }
            Err(error)
        }
    }
}

impl Restoring<'_> {
    fn bring_back(&mut self, plan: &Restore) -> Result<Spawned> {
        let common = &self.asked.common;
        // systemd starts a unit around a process that exists: then the cgroups come after criu.
        let early = if plan.starts_unit { None } else { Some(self.carry_out(plan, None)?) };
        let root = PrivateRoot::mount(&plan.root, &self.entry.path())?;
        // criu mounts below these directories. The kernel allows that only in the mount namespace that they belong to.
        let images = images::open(&common.images, Missing::Refused)?;
        let work_path = common.work.clone().unwrap_or_else(|| common.images.clone());
        let work = images::open(&work_path, Missing::Made)?;
        make_places(&plan.externals.mounts, root.directory())?;
        let namespaces = open_namespaces(&plan.externals.namespaces)?;
        let kept: Vec<BorrowedFd<'_>> = namespaces.iter().map(|(_, fd)| fd.as_fd()).collect();
        let mut service = Service::start(common.criu.as_deref(), &kept)?;
        service.check_version()?;
        let slots = early.map_or_else(|| self.carry_out(plan, Some(service.pid())), Ok)?;
        enter_cgroups(plan, &slots, service.pid())?;
        let directories = Directories { images: images.as_raw_fd(), work: work.as_raw_fd() };
        let options = options::common(common, &plan.externals, directories)?;
        let options = self.own_options(options, plan, &root, &namespaces);
        let request = Request { kind: Kind::Restore.into(), options: Some(options), ..Request::default() };
        let response = service.serve(&request, &mut |notice, fd| self.notice(notice, fd, plan, &root))?;
        success(response, "RESTORE", &format!("{work_path}/restore.log"))?;
        // Until it is recorded, the restored process ends with this value.
        let init = service.restored().and_then(|init| Some((init.pid()?, init)));
        let (pid, init) =
            init.ok_or_else(|| Error::Criu("criu does not say which process it has restored".to_owned()))?;
        root.leave()?;
        self.commit(pid)?;
        init.keep().ok_or_else(|| Error::Criu("the restored process is gone".to_owned()))
    }

    /// Makes the container's cgroups and resctrl groups, with their limits. A unit of systemd starts around `member`.
    fn carry_out(&mut self, plan: &Restore, member: Option<Pid>) -> Result<Slots> {
        let mut slots = Slots::new(plan.slots);
        for planned in &plan.steps {
            let done = match &planned.step {
                RestoreStep::Cgroup(step) => steps::act(step, &mut slots),
                RestoreStep::Resctrl(group) => {
                    self.made.make_group(group).and_then(|directory| slots.put(group.slot, directory))
                }
                RestoreStep::Unit(start) => {
                    let refused = |refusal| unit::refused("start", &start.unit, refusal, planned.because);
                    match member {
                        Some(member) => self.made.start_unit(start, member).map_err(refused)?,
                        None => return Err(Error::Criu("a unit needs a process that exists".to_owned())),
                    }
                    Ok(())
                }
            };
            done.map_err(|fault| Error::step(&planned.step, fault, planned.because))?;
        }
        Ok(slots)
    }

    /// Records the container as it now runs.
    fn commit(&mut self, pid: Pid) -> Result<()> {
        let act = |fault| Error::act("find the restored process", fault);
        self.record.init = Some(ProcessId::of(pid).map_err(act)?);
        self.record.created = process::now();
        self.entry.commit(&self.record)
    }

    /// The options that only a restore has.
    fn own_options(
        &self,
        options: Options,
        plan: &Restore,
        root: &PrivateRoot,
        namespaces: &[(&'static str, OwnedFd)],
    ) -> Options {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let namespaces = namespaces
            .iter()
            .map(|(name, fd)| Inherited { key: (*name).to_owned(), descriptor: fd.as_raw_fd() });
        Options {
            log_file: Some("restore.log".to_owned()),
            root: Some(root.path.clone()),
            restore_sibling: Some(true),
            external_mounts: options::restored_mounts(&plan.externals),
            cgroup_roots: self.cgroup_roots(),
            inherited: namespaces.chain(self.streams()).collect(),
            tcp_close: Some(self.asked.tcp_close),
            lsm_profile: given(&self.asked.lsm_profile),
            lsm_mount_context: given(&self.asked.lsm_mount_context),
            ..options
        }
    }

    /// The container's own directory in each hierarchy, below which its cgroups are brought back.
    fn cgroup_roots(&self) -> Vec<CgroupRoot> {
        let hierarchy = |mount: &str| self.host.hierarchies.iter().find(|one| one.mount == mount);
        let root = |cgroup: &cgroup::Cgroup| {
            let found = hierarchy(&cgroup.mount)?;
            let v1 = (found.version == CgroupVersion::V1).then(|| found.controllers.join(","));
            Some(CgroupRoot { controllers: v1, path: format!("/{}", cgroup.path) })
        };
        self.record.cgroups.iter().filter_map(root).collect()
    }

    /// Pipes that were its standard streams: this process's own take their places.
    fn streams(&self) -> Vec<Inherited> {
        let names = images::descriptors(&self.asked.common.images);
        let pipes = names.into_iter().zip(0..).filter(|(name, _)| name.contains("pipe:"));
        pipes.map(|(key, descriptor)| Inherited { key, descriptor }).collect()
    }

    /// Does what criu has stopped for.
    fn notice(
        &mut self,
        notice: &Notice,
        descriptor: Option<OwnedFd>,
        plan: &Restore,
        root: &PrivateRoot,
    ) -> Result<()> {
        match notice.script.as_deref() {
            Some("setup-namespaces") => root.outside(|| self.run_hooks(&plan.hooks, notice.pid)),
            Some("orphan-pts-master") => self.take_terminal(descriptor),
            _ => Ok(()),
        }
    }

    /// Hooks that run when a container's namespaces are there.
    fn run_hooks(&self, hooks: &[(HookKind, Vec<Hook>)], pid: Option<i32>) -> Result<()> {
        let mut record = self.record.clone();
        record.init = pid.map(|pid| ProcessId { pid, start: 0, boot: String::new() });
        let text = record.state(Status::Creating);
        for (kind, hooks) in hooks.iter().filter(|(_, hooks)| !hooks.is_empty()) {
            let prepared: Vec<PreparedHook> = hooks.iter().map(PreparedHook::new).collect();
            let ran = hook::state_file(&text).and_then(|state| run_all(&prepared, state.as_fd(), None));
            ran.map_err(|fault| {
                let (act, text) = (format!("run {} hooks", kind.name()), hook::path_of(hooks, &fault));
                Error::acted(act, fault, text, kind.place())
            })?;
        }
        Ok(())
    }

    /// The terminal that the container had: it goes to the console socket, or stays for the relay.
    fn take_terminal(&mut self, descriptor: Option<OwnedFd>) -> Result<()> {
        let act = |fault| Error::act("take the terminal", fault);
        let master = descriptor.ok_or_else(|| act(Fault::new(Call::Terminal, Errno::BADF)))?;
        let Some(socket) = self.asked.request.console_socket else {
            self.terminal = Some(master);
            return Ok(());
        };
        let path = CString::new(socket).unwrap_or_default();
        let connection = crate::socket::connect(&path).map_err(act)?;
        crate::channel::send_descriptor(connection.as_fd(), b"terminal", master.as_fd()).map_err(act)
    }
}

/// Opens the namespaces that the container has joined. Returns them with their names in the images.
fn open_namespaces(namespaces: &[ExternalNamespace]) -> Result<Vec<(&'static str, OwnedFd)>> {
    let open = |namespace: &ExternalNamespace| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = fs::openat(CWD, namespace.path.as_str(), flags, Mode::empty()).during(Call::Open);
        let act = |fault| Error::act(format!("open the namespace {}", namespace.path), fault);
        Ok((namespace.name, file.map_err(act)?))
    };
    namespaces.iter().map(open).collect()
}

/// Makes the mount points of the mounts that criu does not make itself: the root file system may lack them.
fn make_places(mounts: &[ExternalMount], root: BorrowedFd<'_>) -> Result<()> {
    for ExternalMount { destination: place, source, parent } in mounts {
        let made = match parent {
            ParentMount::RootFs => make_place(root, place, source),
            ParentMount::Bind { source: shown, mount_point } => {
                let shown = CString::new(shown.as_str()).unwrap_or_default();
                let shown = open_host(&shown, OFlags::PATH | OFlags::DIRECTORY);
                shown.and_then(|directory| make_place(directory.as_fd(), mount_point, source))
            }
            ParentMount::Restored => Ok(()),
        };
        made.map_err(|fault| Error::act(format!("make the mount point {place}"), fault))?;
    }
    Ok(())
}

/// Makes a place for what `source` is: a directory or a file.
fn make_place(ground: BorrowedFd<'_>, place: &str, source: &str) -> std::result::Result<(), Fault> {
    let inside = Inside::new(ground);
    let path = CString::new(place.trim_start_matches('/')).unwrap_or_default();
    let is_file = std::fs::metadata(source).is_ok_and(|file| !file.is_dir());
    if is_file { inside.make_file(&path) } else { inside.make_directory(&path) }.map(drop)
}

/// Moves criu into the container's cgroups, so that the restored processes are born in them.
fn enter_cgroups(plan: &Restore, slots: &Slots, criu: Pid) -> Result<()> {
    let pid = criu.as_raw_nonzero().to_string();
    let enter = |slot: &Slot| cgroup::write(slots.get(*slot)?, c"cgroup.procs", pid.as_bytes());
    let share = |slot: &Slot| resctrl::enter(slots.get(*slot)?, criu);
    let entered = plan.cgroups.iter().try_for_each(enter);
    let entered = entered.and_then(|()| plan.resctrl_groups.iter().try_for_each(share));
    entered.map_err(|fault| Error::act("move criu into the container's cgroup", fault))
}
