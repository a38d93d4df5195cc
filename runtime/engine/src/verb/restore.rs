//! The verb `restore`: restores a container from the image files of `checkpoint`, with criu.
//!
//! The runtime creates the cgroups and the mount points, criu everything else: namespaces, mounts, processes. criu stops at some
//! points and sends a notice, and the runtime runs hooks or takes the terminal.

use crate::cgroup;
use crate::cgroup::resctrl;
use crate::cgroup::steps;
use crate::container::bundle::Bundle;
use crate::container::process::{self, ProcessId};
use crate::container::record::Record;
use crate::container::store::{Entry, Store};
use crate::criu::images::{self, Missing};
use crate::criu::message::{CgroupRoot, Inherited, Kind, Notice, Options, Request};
use crate::criu::options::{CriuOptions, Directories};
use crate::criu::{Service, options, success};
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::hook::{self, PreparedHook, run_all};
use crate::mounts::root_dir::{RootDir, open_host};
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

/// The options of `restore`.
#[derive(Debug)]
pub struct RestoreOptions<'text> {
    /// The options that `checkpoint` has too.
    pub criu: CriuOptions,
    /// The ID of the new container, and the other options of `create`.
    pub request: tare_plan::context::Request<'text>,
    /// Whether the caller exits when the container runs.
    pub detach: Detach,
    /// Closes established TCP connections instead of restoring them.
    pub tcp_close: bool,
    /// The profile of a security module; by default that of the dump.
    pub lsm_profile: Option<String>,
    /// The SELinux context of mounts; by default that of the dump.
    pub lsm_mount_context: Option<String>,
}

/// The state of a restore.
struct Restoring<'a> {
    options: &'a RestoreOptions<'a>,
    host: Host,
    entry: Entry,
    record: Record,
    made: Made,
    /// The master of the container's terminal, if the caller stays attached.
    terminal: Option<OwnedFd>,
}

/// The plan, and the things that criu's notices need.
struct Prepared<'a> {
    plan: &'a Restore,
    root: PrivateRoot,
    namespaces: Vec<JoinedNamespace>,
}

/// A namespace that the container has joined, open, with its name in the images.
struct JoinedNamespace {
    name: &'static str,
    file: OwnedFd,
}

/// Restores a container. It runs when this returns, and its init is a child of this process.
///
/// # Errors
/// Mistakes in the configuration, an ID that is in use, a missing or too old criu, or an error of criu itself. Nothing is left
/// of the container then.
pub fn restore(store: &Store, bundle: &Bundle, options: &RestoreOptions<'_>) -> Result<Created> {
    store.check_free(options.request.id)?;
    create::check_terminal(Creation { bundle, request: &options.request, detach: options.detach })?;
    let host = create::host(&options.request)?;
    let plan = tare_plan::restore::restore(&bundle.config, &host, &options.request).map_err(Error::Config)?;
    let record = create::record(bundle, &host, &options.request);
    let entry = store.reserve(options.request.id)?;
    create::begin(bundle, &record, &entry)?;
    let made = Made::of(&record);
    let mut restoring = Restoring { options, host, entry, record, made, terminal: None };
    match restoring.run(&plan) {
        Ok(init) => {
            let Restoring { mut entry, record, terminal, mut made, .. } = restoring;
            made.keep();
            entry.keep();
            Ok(Created { entry, record, init, terminal })
        }
        Err(error) => {
            // Something could not be removed. The record stays, and delete can try again.
            if restoring.made.remove().is_err() {
                restoring.entry.keep();
            }
            Err(error)
        }
    }
}

impl Restoring<'_> {
    /// Prepares the host, starts criu, and serves its notices until init runs.
    fn run(&mut self, plan: &Restore) -> Result<Spawned> {
        let given = &self.options.criu;
        // systemd starts a unit only around an existing process, and criu is the first one. Then the cgroups come after criu.
        let early = if plan.starts_unit { None } else { Some(self.carry_out(plan, None)?) };
        let root = PrivateRoot::mount(&plan.root, &self.entry.path())?;
        // criu mounts below these directories. The kernel allows that only in the mount namespace in which they are opened, and
        // PrivateRoot has just changed to a new one.
        let images = images::open(&given.images, Missing::Refuse)?;
        let work_path = given.work.clone().unwrap_or_else(|| given.images.clone());
        let work = images::open(&work_path, Missing::Create)?;
        make_mount_points(&plan.externals.mounts, root.directory())?;
        let namespaces = open_namespaces(&plan.externals.namespaces)?;
        // Declared before the service: criu is killed before this process leaves the mount namespace of the root.
        let prepared = Prepared { plan, root, namespaces };
        let inherited: Vec<BorrowedFd<'_>> = prepared.namespaces.iter().map(|one| one.file.as_fd()).collect();
        let mut service = Service::start(given.program.as_deref(), &inherited)?;
        service.check_version()?;
        let slots = early.map_or_else(|| self.carry_out(plan, Some(service.pid())), Ok)?;
        enter_cgroups(plan, &slots, service.pid())?;
        let directories = Directories { images: images.as_raw_fd(), work: work.as_raw_fd() };
        let shared = options::shared(given, &plan.externals, directories)?;
        let options = self.restore_options(shared, &prepared);
        let request = Request { kind: Kind::Restore.into(), options: Some(options), ..Request::default() };
        let response = service.serve(&request, &mut |notice, fd| self.notice(notice, fd, &prepared))?;
        success(response, "RESTORE", &format!("{work_path}/restore.log"))?;
        // Until it is recorded, a drop of `init` kills the restored process.
        let init = service.restored().and_then(|init| Some((init.pid()?, init)));
        let (pid, init) =
            init.ok_or_else(|| Error::Criu("criu has sent no pid of the restored process".to_owned()))?;
        prepared.root.leave()?;
        self.commit(pid)?;
        init.keep().ok_or_else(|| Error::Criu("the restored process is gone".to_owned()))
    }

    /// Creates the container's cgroups and resctrl groups and writes their limits. A systemd unit starts around `member`.
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
                    let member = member.ok_or_else(|| Error::Criu("a unit needs a process".to_owned()))?;
                    self.made.start_unit(start, member).map_err(refused)?;
                    Ok(())
                }
            };
            done.map_err(|fault| Error::step(&planned.step, fault, planned.because))?;
        }
        Ok(slots)
    }

    /// Records the running container.
    fn commit(&mut self, pid: Pid) -> Result<()> {
        let act = |fault| Error::act("find the restored process", fault);
        self.record.init = Some(ProcessId::of(pid).map_err(act)?);
        self.record.created = process::now();
        self.entry.commit(&self.record)
    }

    /// Adds the options of a restore to the shared ones.
    fn restore_options(&self, shared: Options, prepared: &Prepared<'_>) -> Options {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let namespaces = prepared
            .namespaces
            .iter()
            .map(|one| Inherited { key: one.name.to_owned(), descriptor: one.file.as_raw_fd() });
        Options {
            log_file: Some("restore.log".to_owned()),
            root: Some(prepared.root.path.clone()),
            restore_sibling: Some(true),
            external_mounts: options::restored_mounts(&prepared.plan.externals),
            cgroup_roots: self.cgroup_roots(),
            inherited: namespaces.chain(self.streams()).collect(),
            tcp_close: Some(self.options.tcp_close),
            lsm_profile: given(&self.options.lsm_profile),
            lsm_mount_context: given(&self.options.lsm_mount_context),
            ..shared
        }
    }

    /// The container's cgroup in each hierarchy. criu restores the dumped cgroups below it.
    fn cgroup_roots(&self) -> Vec<CgroupRoot> {
        let hierarchy = |mount: &str| self.host.hierarchies.iter().find(|one| one.mount == mount);
        let root = |cgroup: &cgroup::Cgroup| {
            let found = hierarchy(&cgroup.mount)?;
            let v1 = (found.version == CgroupVersion::V1).then(|| found.controllers.join(","));
            Some(CgroupRoot { controllers: v1, path: format!("/{}", cgroup.path) })
        };
        self.record.cgroups.iter().filter_map(root).collect()
    }

    /// The standard streams of this process, which replace dumped standard streams that were pipes.
    fn streams(&self) -> Vec<Inherited> {
        let names = images::descriptors(&self.options.criu.images);
        let pipes = names.into_iter().zip(0..).filter(|(name, _)| name.contains("pipe:"));
        pipes.map(|(key, descriptor)| Inherited { key, descriptor }).collect()
    }

    /// Answers a notice of criu: runs hooks once the namespaces exist, and takes the master of the terminal.
    fn notice(
        &mut self,
        notice: &Notice,
        descriptor: Option<OwnedFd>,
        prepared: &Prepared<'_>,
    ) -> Result<()> {
        let Prepared { plan, root, .. } = prepared;
        match notice.script.as_deref() {
            Some("setup-namespaces") => root.outside(|| self.run_hooks(&plan.hooks, notice.pid)),
            Some("orphan-pts-master") => self.take_terminal(descriptor),
            _ => Ok(()),
        }
    }

    /// Runs the prestart and createRuntime hooks, in the host's mount namespace.
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

    /// Takes the master of the restored terminal: sends it to the console socket, or keeps it for the relay.
    fn take_terminal(&mut self, descriptor: Option<OwnedFd>) -> Result<()> {
        let act = |fault| Error::act("take the terminal", fault);
        let master = descriptor.ok_or_else(|| act(Fault::new(Call::Terminal, Errno::BADF)))?;
        let Some(socket) = self.options.request.console_socket else {
            self.terminal = Some(master);
            return Ok(());
        };
        let path = CString::new(socket).unwrap_or_default();
        let connection = crate::socket::connect(&path).map_err(act)?;
        crate::channel::send_descriptor(connection.as_fd(), b"terminal", master.as_fd()).map_err(act)
    }
}

/// Opens the namespaces that the container has joined.
fn open_namespaces(namespaces: &[ExternalNamespace]) -> Result<Vec<JoinedNamespace>> {
    let open = |namespace: &ExternalNamespace| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = fs::openat(CWD, namespace.path.as_str(), flags, Mode::empty()).during(Call::Open);
        let act = |fault| Error::act(format!("open the namespace {}", namespace.path), fault);
        Ok(JoinedNamespace { name: namespace.name, file: file.map_err(act)? })
    };
    namespaces.iter().map(open).collect()
}

/// Creates the mount points of external mounts. `create` made them on demand, so the root file system may lack them.
fn make_mount_points(mounts: &[ExternalMount], root: BorrowedFd<'_>) -> Result<()> {
    for ExternalMount { destination, source, parent } in mounts {
        let made = match parent {
            ParentMount::RootFs => make_mount_point(root, destination, source),
            ParentMount::Bind { source: below, mount_point } => {
                let below = CString::new(below.as_str()).unwrap_or_default();
                let below = open_host(&below, OFlags::PATH | OFlags::DIRECTORY);
                below.and_then(|directory| make_mount_point(directory.as_fd(), mount_point, source))
            }
            ParentMount::Restored => Ok(()),
        };
        made.map_err(|fault| Error::act(format!("make the mount point {destination}"), fault))?;
    }
    Ok(())
}

/// Creates a mount point for `source`: a directory for a directory, a file for any other.
fn make_mount_point(parent: BorrowedFd<'_>, path: &str, source: &str) -> std::result::Result<(), Fault> {
    let root = RootDir::new(parent);
    let path = CString::new(path.trim_start_matches('/')).unwrap_or_default();
    let is_file = std::fs::metadata(source).is_ok_and(|file| !file.is_dir());
    if is_file { root.make_file(&path) } else { root.make_directory(&path) }.map(drop)
}

/// Moves criu to the container's cgroups and resctrl groups. The restored processes inherit them (fork(2)).
fn enter_cgroups(plan: &Restore, slots: &Slots, criu: Pid) -> Result<()> {
    let pid = criu.as_raw_nonzero().to_string();
    let enter = |slot: &Slot| cgroup::write(slots.get(*slot)?, c"cgroup.procs", pid.as_bytes());
    let share = |slot: &Slot| resctrl::enter(slots.get(*slot)?, criu);
    let entered = plan.cgroups.iter().try_for_each(enter);
    let entered = entered.and_then(|()| plan.resctrl_groups.iter().try_for_each(share));
    entered.map_err(|fault| Error::act("move criu into the container's cgroup", fault))
}
