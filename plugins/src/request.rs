//! A call of a plugin: the environment and standard input, checked before anything is changed.

use crate::attachment::{self, Attachment};
use crate::error::{Code, Error, Result};
use crate::json::Section;
use crate::result::AddResult;
use crate::version::Version;
use serde_json::Value;
use std::net::IpAddr;

/// The operations of the specification, without `VERSION`, which has no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Attach a container.
    Add,
    /// Undo an `Add`; succeeds if there is nothing to undo.
    Del,
    /// Check the attachment.
    Check,
    /// Remove the leftovers of attachments that no longer exist.
    Gc,
    /// Check whether an `Add` could succeed now.
    Status,
}

impl Command {
    /// Returns the value of `CNI_COMMAND`.
    pub fn text(self) -> &'static str {
        match self {
            Command::Add => "ADD",
            Command::Del => "DEL",
            Command::Check => "CHECK",
            Command::Gc => "GC",
            Command::Status => "STATUS",
        }
    }

    fn read(text: &str) -> Result<Command> {
        let all = [Command::Add, Command::Del, Command::Check, Command::Gc, Command::Status];
        all.into_iter()
            .find(|command| command.text() == text)
            .ok_or_else(|| Error::environment(format!("unknown CNI_COMMAND: {text}")))
    }

    /// Returns the required variables, in the order of the error message.
    fn required(self) -> &'static [&'static str] {
        match self {
            Command::Add | Command::Check => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            Command::Del => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
            Command::Gc | Command::Status => &["CNI_PATH"],
        }
    }

    /// Returns the version of the specification that introduced the operation.
    fn since(self) -> Version {
        match self {
            Command::Add | Command::Del => Version::V010,
            Command::Check => Version::V040,
            Command::Gc | Command::Status => Version::V110,
        }
    }
}

/// The CNI variables of the environment, unchecked.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: String,
    /// `CNI_CONTAINERID`.
    pub container: String,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// `CNI_NETNS_OVERRIDE`: the namespace may be the plugin's own.
    pub netns_override: String,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Environment {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Environment {
            command: variable("CNI_COMMAND"),
            container: variable("CNI_CONTAINERID"),
            netns: variable("CNI_NETNS"),
            interface: variable("CNI_IFNAME"),
            args: variable("CNI_ARGS"),
            path: variable("CNI_PATH"),
            netns_override: variable("CNI_NETNS_OVERRIDE"),
        }
    }

    fn value(&self, name: &str) -> &str {
        match name {
            "CNI_CONTAINERID" => &self.container,
            "CNI_NETNS" => &self.netns,
            "CNI_IFNAME" => &self.interface,
            _ => &self.path,
        }
    }

    /// Whether the plugin may attach its own network namespace.
    pub fn may_be_own_netns(&self) -> bool {
        self.netns_override == "1" || self.netns_override.eq_ignore_ascii_case("true")
    }

    /// Returns the operation after checking all its variables.
    ///
    /// # Errors
    /// Code 4 with the Go plugins' texts.
    pub fn check(&self) -> Result<Command> {
        let command = Command::read(&self.command)?;
        let missing: Vec<&str> =
            command.required().iter().copied().filter(|name| self.value(name).is_empty()).collect();
        if !missing.is_empty() {
            return Err(Error::environment(format!(
                "required env variables [{}] missing",
                missing.join(",")
            )));
        }
        if command.required().contains(&"CNI_IFNAME") {
            attachment::check_container(&self.container)?;
            attachment::check_interface(&self.interface)?;
        }
        Ok(command)
    }
}

/// A call with a valid environment and configuration.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation.
    pub command: Command,
    /// The environment of the call.
    pub environment: Environment,
    /// The unparsed configuration, for delegated plugins.
    pub input: Vec<u8>,
    /// The parsed configuration.
    pub config: Value,
    /// The version of the configuration.
    pub version: Version,
    /// The attachment.
    pub attachment: Attachment,
}

impl Request {
    /// Checks the environment and the configuration.
    ///
    /// # Errors
    /// Codes 1, 4, 6 and 7, with the Go plugins' texts.
    pub fn read(environment: Environment, input: Vec<u8>) -> Result<Request> {
        let command = environment.check()?;
        let config: Value = serde_json::from_slice(&input)
            .map_err(|why| Error::new(Code::Decode, format!("error unmarshall network config: {why}")))?;
        let root = Section::root(&config).map_err(|why| Error { code: Code::Decode as u32, ..why })?;
        let network = root.text("name")?.to_owned();
        attachment::check_network(&network)?;
        let version = Version::of_config(root.text("cniVersion")?)?;
        if version < command.since() {
            let verb = command.text();
            return Err(Error::new(Code::Version, format!("config version does not allow {verb}")));
        }
        let attachment = Attachment {
            network,
            container: environment.container.clone(),
            interface: environment.interface.clone(),
        };
        Ok(Request { command, environment, input, config, version, attachment })
    }

    /// Returns the top-level object of the configuration.
    ///
    /// # Errors
    /// None in practice: `read` has checked that it is an object.
    pub fn root(&self) -> Result<Section<'_>> {
        Section::root(&self.config)
    }

    /// Returns `prevResult`, the result of the previous plugins.
    ///
    /// # Errors
    /// It is not a result of the configuration's version.
    pub fn previous(&self) -> Result<Option<AddResult>> {
        let root = self.root()?;
        match root.has("prevResult") {
            false => Ok(None),
            true => AddResult::read(&root.section("prevResult")?, self.version).map(Some),
        }
    }

    /// Reduces a previous result to what belongs to the interface of this request. Later plugins of the chain may have added
    /// interfaces and addresses of their own. All interfaces are dropped, because the declaration lists its own.
    pub fn keep_own(&self, result: &mut AddResult) {
        let interfaces = std::mem::take(&mut result.interfaces);
        let is_own = |index: i64| {
            let listed = usize::try_from(index).ok().and_then(|index| interfaces.get(index));
            listed.is_some_and(|it| it.name == self.attachment.interface && !it.sandbox.is_empty())
        };
        if self.command != Command::Add {
            result.ips.retain(|ip| ip.interface.is_none_or(is_own));
        }
    }

    /// Reads `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 4: a pair without exactly one `=`, or an unknown key without `IgnoreUnknown`.
    pub fn arguments(&self) -> Result<Arguments> {
        Arguments::read(&self.environment.args)
    }
}

/// The keys of `CNI_ARGS` that any of our plugins reads. All plugins of a chain get the same variable, so that each
/// plugin accepts the keys of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `MAC`: the hardware address of the container's interface, unchecked.
    pub mac: String,
    /// `IP`: requested addresses, with or without a prefix length.
    pub ips: Vec<IpAddr>,
}

impl Arguments {
    fn read(text: &str) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        let (mut ignore, mut unknown) = (false, Vec::new());
        for pair in text.split(';').filter(|_| !text.is_empty()) {
            let (key, value) = split_pair(pair)?;
            match key {
                "IgnoreUnknown" => ignore = read_bool(value, pair)?,
                "MAC" => arguments.mac = value.to_owned(),
                "IP" => arguments.ips = value.split(',').map(read_ip).collect::<Result<_>>()?,
                "GATEWAY" => {}
                _ => unknown.push(format!("\"{pair}\"")),
            }
        }
        match unknown.is_empty() || ignore {
            true => Ok(arguments),
            false => Err(Error::environment(format!("ARGS: unknown args [{}]", unknown.join(" ")))),
        }
    }
}

fn split_pair(pair: &str) -> Result<(&str, &str)> {
    match pair.split_once('=') {
        Some((key, value)) if !value.contains('=') => Ok((key, value)),
        _ => Err(Error::environment(format!("ARGS: invalid pair \"{pair}\""))),
    }
}

fn read_bool(value: &str, pair: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Error::environment(format!("ARGS: error parsing value of pair \"{pair}\""))),
    }
}

fn read_ip(text: &str) -> Result<IpAddr> {
    let bare = text.split_once('/').map_or(text, |(address, _)| address);
    crate::address::parse_address(bare)
        .ok_or_else(|| Error::environment(format!("invalid IP address: {text}")).about("CNI_ARGS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(command: &str) -> Environment {
        Environment {
            command: command.into(),
            container: "c1".into(),
            netns: "/ns".into(),
            interface: "eth0".into(),
            path: "/bin".into(),
            ..Environment::default()
        }
    }

    fn request(command: &str, input: &str) -> Result<Request> {
        Request::read(environment(command), input.as_bytes().to_vec())
    }

    #[test]
    fn all_missing_variables_are_named_at_once() {
        let bare = Environment { command: "ADD".into(), container: "c".into(), ..Environment::default() };
        let error = bare.check().unwrap_err();
        assert_eq!(
            (error.code, error.msg.as_str()),
            (4, "required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing")
        );
        assert!(Environment { netns: String::new(), ..environment("DEL") }.check().is_ok());
        assert!(
            Environment { command: "GC".into(), path: "/p".into(), ..Environment::default() }.check().is_ok()
        );
    }

    #[test]
    fn an_unknown_command_is_named() {
        assert_eq!(environment("NOPE").check().unwrap_err().msg, "unknown CNI_COMMAND: NOPE");
    }

    #[test]
    fn input_that_is_not_json_is_code_6() {
        assert_eq!(request("ADD", "{").unwrap_err().code, 6);
        assert_eq!(request("ADD", "[]").unwrap_err().code, 6);
        assert_eq!(request("ADD", "").unwrap_err().code, 6);
    }

    #[test]
    fn a_verb_newer_than_the_version_is_code_1() {
        let error = request("CHECK", r#"{"name":"n","cniVersion":"0.3.1"}"#).unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (1, "config version does not allow CHECK"));
        assert_eq!(request("GC", r#"{"name":"n","cniVersion":"1.0.0"}"#).unwrap_err().code, 1);
    }

    #[test]
    fn configuration_keys_match_in_any_case() {
        let request = request("ADD", r#"{"Name":"n","CNIVERSION":"1.0.0"}"#).unwrap();
        assert_eq!((request.attachment.network.as_str(), request.version), ("n", Version::V100));
    }

    #[test]
    fn arguments_of_other_plugins_are_accepted() {
        let arguments = Arguments::read("MAC=02:00:00:00:00:01;IP=10.0.0.9/24,fd00::9").unwrap();
        assert_eq!(arguments.mac, "02:00:00:00:00:01");
        assert_eq!(arguments.ips.len(), 2);
    }

    #[test]
    fn unknown_arguments_need_ignore_unknown_at_any_position() {
        assert_eq!(Arguments::read("K8S=x").unwrap_err().msg, "ARGS: unknown args [\"K8S=x\"]");
        assert!(Arguments::read("K8S=x;IgnoreUnknown=1").is_ok());
        assert!(Arguments::read("IgnoreUnknown=TRUE;K8S=x").is_ok());
        assert_eq!(Arguments::read("K8S=x=y").unwrap_err().msg, "ARGS: invalid pair \"K8S=x=y\"");
        assert_eq!(Arguments::read("").unwrap(), Arguments::default());
    }
}
