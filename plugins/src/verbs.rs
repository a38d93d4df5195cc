//! The verbs of the specification, derived from the declaration of a plugin.

use crate::address::Family;
use crate::attachment::Attachment;
use crate::declaration::{Addresses, Declaration, DeclaredResource, Plugin, Undo, Wanted};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::json::{compact, pretty};
use crate::request::{Command, Environment, Request};
use crate::result::{AddResult, Interface, Ip};
use crate::version::{self, Version};
use rustix::io::Errno;
use serde::Serialize;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

/// Serves one call. The `main` of a plugin is this function.
pub fn run<P: Plugin>() -> ExitCode {
    let environment = Environment::of_process();
    match environment.command.as_str() {
        "" => answer(std::io::stderr().as_fd(), &about(P::NAME), ExitCode::SUCCESS),
        "VERSION" => report(versions()),
        _ => report(serve::<P>(environment)),
    }
}

fn report(outcome: Result<String>) -> ExitCode {
    let stdout = std::io::stdout();
    match outcome {
        Ok(text) => answer(stdout.as_fd(), &text, ExitCode::SUCCESS),
        Err(error) => answer(stdout.as_fd(), &pretty(&error).unwrap_or_default(), ExitCode::FAILURE),
    }
}

/// Writes the answer in one call of write(2), so that readers get it whole. If writing fails, only the exit code can
/// report it.
fn answer(to: BorrowedFd<'_>, text: &str, code: ExitCode) -> ExitCode {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        match rustix::io::write(to, left) {
            Ok(length) => left = left.get(length..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
    code
}

fn about(name: &str) -> String {
    let spellings = version::ALL.map(|(_, text)| text).join(", ");
    let number = env!("CARGO_PKG_VERSION");
    format!("CNI {name} plugin tare {number}\nCNI protocol versions supported: {spellings}\n")
}

/// The output of `VERSION`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    cni_version: &'static str,
    supported_versions: [&'static str; version::ALL.len()],
}

/// Returns one line, as the Go plugins print it. Callers run `VERSION` before each `ADD`.
fn versions() -> Result<String> {
    let supported_versions = version::ALL.map(|(_, text)| text);
    let text = compact(&Versions { cni_version: Version::NEWEST.text(), supported_versions })?;
    Ok(text + "\n")
}

fn serve<P: Plugin>(environment: Environment) -> Result<String> {
    environment.check()?;
    let mut input = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut input);
    read.map_err(|why| Error::new(Code::Io, format!("error reading from stdin: {why}")))?;
    let request = Request::read(environment, input)?;
    let mut host = Host::open(&request)?;
    match request.command {
        Command::Add => return add::<P>(&request, &mut host),
        Command::Del => del::<P>(&request, &mut host),
        Command::Check => check::<P>(&request, &mut host),
        Command::Gc => gc::<P>(&request, &mut host),
        Command::Status => status::<P>(&request),
    }
    .map(|()| String::new())
}

/// Leases the addresses, then adds the resources in order. On failure, undoes everything that this call has made, and
/// releases the lease last.
fn add<P: Plugin>(request: &Request, host: &mut Host) -> Result<String> {
    let config = P::read(request)?;
    let ipam = P::ipam(request)?;
    let so_far = ipam.add(request)?;
    let made = P::declare(&config, request, so_far).and_then(|declaration| make(request, host, declaration));
    if made.is_err() && ipam.gives() {
        // The error that caused the undo is the one to report.
        let _ = ipam.del(request);
    }
    made
}

fn make(request: &Request, host: &mut Host, declaration: Declaration) -> Result<String> {
    let mut done: Vec<&DeclaredResource> = Vec::new();
    let made = make_each(&declaration, host, &mut done).and_then(|()| {
        let mut outcome = declaration.outcome.clone();
        outcome.ips.extend(list_addresses(&declaration, host)?);
        outcome.interfaces.splice(0..0, list_interfaces(&declaration, request, host)?);
        outcome.print(request.version)
    });
    if made.is_err() {
        for declared in done.iter().rev() {
            // An undo that fails does not stop the others. The first error is the one to report.
            let _ = declared.resource.undo(host);
        }
    }
    made
}

fn make_each<'a>(
    declaration: &'a Declaration,
    host: &mut Host,
    done: &mut Vec<&'a DeclaredResource>,
) -> Result<()> {
    for declared in declaration.resources.iter().filter(|declared| declared.wanted == Wanted::Yes) {
        if declared.resource.add(host)? == Undo::Remove {
            done.push(declared);
        }
    }
    Ok(())
}

fn list_interfaces(declaration: &Declaration, request: &Request, host: &mut Host) -> Result<Vec<Interface>> {
    let mut interfaces = Vec::new();
    for listed in &declaration.interfaces {
        let name = listed.name.clone().or_else(|| host.host_end.clone()).unwrap_or_default();
        let mac = host.link(listed.side, &name)?.mac_text();
        let sandbox = match listed.side {
            Side::Host => String::new(),
            Side::Container => request.environment.netns.clone(),
        };
        interfaces.push(Interface { name, mac, sandbox, ..Interface::default() });
    }
    Ok(interfaces)
}

/// Returns the first address of each family that the kernel has assigned to the interfaces without declared addresses.
fn list_addresses(declaration: &Declaration, host: &mut Host) -> Result<Vec<Ip>> {
    let mut ips = Vec::new();
    for (place, listed) in declaration.interfaces.iter().enumerate() {
        let Some(name) = listed.name.as_ref().filter(|_| listed.addresses == Addresses::AsFound) else {
            continue;
        };
        let index = host.link(listed.side, name)?.index;
        let found = host.route(listed.side)?.addresses(index)?;
        let first = |family| found.iter().map(|assigned| assigned.cidr).find(|cidr| cidr.family() == family);
        let interface = i64::try_from(place).ok();
        let ip = |address| Ip { interface, address, gateway: None };
        ips.extend([Family::V4, Family::V6].into_iter().filter_map(first).map(ip));
    }
    Ok(ips)
}

/// Removes every resource, even if others fail, and releases the lease last: the address must not be leased again while
/// anything of the attachment may still exist.
///
/// The order is that of `ADD`: rules before links. The kernel frees removed rules asynchronously, while the plugin
/// waits for the removal of the link. In reverse order the plugin would wait twice.
fn del<P: Plugin>(request: &Request, host: &mut Host) -> Result<()> {
    let declaration = declare_possible_resources::<P>(request)?;
    let resources = declaration.resources.iter();
    let mut errors: Vec<Error> = resources.filter_map(|declared| declared.resource.del(host).err()).collect();
    if errors.is_empty() {
        errors.extend(P::ipam(request).and_then(|ipam| ipam.del(request)).err());
    }
    Error::joined(errors).map_or(Ok(()), Err)
}

/// Declares the resources that may exist. `DEL` and `GC` need only the attachment: an unreadable configuration or
/// previous result must not leave resources behind.
fn declare_possible_resources<P: Plugin>(request: &Request) -> Result<Declaration> {
    let config = P::read(request).unwrap_or_else(|_| P::unreadable());
    let so_far = request.previous().ok().flatten().unwrap_or_default();
    P::declare(&config, request, so_far)
}

fn check<P: Plugin>(request: &Request, host: &mut Host) -> Result<()> {
    let config = P::read(request)?;
    let previous = request
        .previous()?
        .ok_or_else(|| Error::config("Required prevResult missing").about("prevResult"))?;
    P::ipam(request)?.check(request)?;
    let declaration = P::declare(&config, request, previous.clone())?;
    for declared in declaration.resources.iter().filter(|declared| declared.wanted == Wanted::Yes) {
        declared.resource.check(host)?;
    }
    for interface in list_interfaces(&declaration, request, host)? {
        check_interface(&previous, &interface)?;
    }
    Ok(())
}

/// The interface in the kernel must be the one that `ADD` reported.
fn check_interface(previous: &AddResult, found: &Interface) -> Result<()> {
    let differs = |msg: String| Err(Error::new(Code::Differs, msg));
    let Some(reported) = previous.interfaces.iter().find(|reported| reported.name == found.name) else {
        return differs(format!("interface {} is not in prevResult", found.name));
    };
    if reported.sandbox != found.sandbox {
        return differs(format!(
            "Sandbox in prevResult {} doesn't match configured netns: {}",
            reported.sandbox, found.sandbox
        ));
    }
    if !reported.mac.is_empty() && !reported.mac.eq_ignore_ascii_case(&found.mac) {
        return differs(format!("interface {} has MAC {}, not {}", found.name, found.mac, reported.mac));
    }
    Ok(())
}

fn gc<P: Plugin>(request: &Request, host: &mut Host) -> Result<()> {
    let valid = valid_attachments(request)?;
    let declaration = declare_possible_resources::<P>(request)?;
    let network = &request.attachment.network;
    let resources = declaration.resources.iter();
    let mut errors: Vec<Error> =
        resources.filter_map(|declared| declared.resource.gc(host, network, &valid).err()).collect();
    errors.extend(P::ipam(request).and_then(|ipam| ipam.gc(request)).err());
    Error::joined(errors).map_or(Ok(()), Err)
}

/// Reads `cni.dev/valid-attachments`, or the key's former name.
///
/// # Errors
/// The key is missing, which must not mean "none", or is not a list of objects with `containerID` and `ifname`.
pub(crate) fn valid_attachments(request: &Request) -> Result<Vec<Attachment>> {
    let root = request.root()?;
    let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
    let Some(key) = keys.into_iter().find(|key| root.has(key)) else {
        return Err(
            Error::config("GC needs the list of valid attachments").about("cni.dev/valid-attachments")
        );
    };
    let attachment = |element: &crate::json::Element<'_>| {
        let section = element.section()?;
        // An element with an empty key would release an attachment that it was meant to keep.
        let text = |key: &str| match section.text(key)? {
            "" => Err(Error::config(format!("a valid attachment has no {key}")).about(section.place_of(key))),
            text => Ok(text.to_owned()),
        };
        let network = request.attachment.network.clone();
        Ok(Attachment { network, container: text("containerID")?, interface: text("ifname")? })
    };
    root.list(key)?.iter().map(attachment).collect()
}

fn status<P: Plugin>(request: &Request) -> Result<()> {
    let unavailable = |error: Error| match error.code {
        50 | 51 => error,
        _ => Error { code: Code::Unavailable as u32, ..error },
    };
    P::read(request).map_err(unavailable)?;
    P::ipam(request).and_then(|ipam| ipam.status(request)).map_err(unavailable)
}
