//! What is written and set: configurations, variables, and the shape of answers; sections 1, 2 and 5.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::check::Check;
use crate::cni::stage::{Container, Stage, refused, with, with_result};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "cni-network-names",
        place: "SPEC.md#configuration-format",
        sentence: "`name` (string): Network name. Must start with an alphanumeric character, optionally followed by any combination of one or more alphanumeric characters, underscore, dot (.) or hyphen (-).",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            for name in ["", "../evil", "a/b", ".a", "a b"] {
                let config = with(&stage.bridge("1.0.0"), "name", json!(name));
                refused(stage.call("bridge", "ADD", &config)?.of(&container).run()?)?;
            }
            Ok(())
        },
    },
    Check {
        name: "cni-ipam-type-is-no-path",
        place: "SPEC.md#plugin-configuration-objects",
        sentence: "`type` (string): Refers to the filename of the IPAM plugin executable. Must not contain characters disallowed in file paths for the system (e.g. / or \\).",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let config = with(&stage.bridge("1.0.0"), "ipam", json!({"type": "../../bin/true"}));
            refused(stage.call("bridge", "ADD", &config)?.of(&container).run()?).map(drop)
        },
    },
    Check {
        name: "cni-container-ids",
        place: "SPEC.md#parameters",
        sentence: "`CNI_CONTAINERID`: Container ID. Must not be empty. Must start with an alphanumeric character, optionally followed by any combination of one or more alphanumeric characters, underscore (), dot (.) or hyphen (-).",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let config = stage.bridge("1.0.0");
            for id in ["", "../evil", "a/b", "-a", "a b"] {
                let error = refused(stage.call("bridge", "ADD", &config)?.of(&container).id(id).run()?)?;
                ensure!(error.get("code") == Some(&json!(4)), "{id:?}: {error}");
            }
            stage.call("bridge", "ADD", &config)?.of(&container).id("A.b_c-1").run()?.succeeds().map(drop)
        },
    },
    Check {
        name: "cni-interface-names",
        place: "SPEC.md#parameters",
        sentence: "`CNI_IFNAME`: Name of the interface to create inside the container; if the plugin is unable to use this interface name it must return an error.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let config = stage.bridge("1.0.0");
            for name in ["a/b", "a:b", "..", "sixteen-letters-", "a b"] {
                let call = stage.call("bridge", "ADD", &config)?.of(&container).variable("CNI_IFNAME", name);
                refused(call.run()?)?;
            }
            stage
                .call("bridge", "ADD", &config)?
                .of(&container)
                .variable("CNI_IFNAME", "if.x-1")
                .run()?
                .succeeds()?;
            container.ip("link show if.x-1").map(drop)
        },
    },
    Check {
        name: "cni-exit-codes",
        place: "SPEC.md#errors",
        sentence: "A plugin must exit with a return code of 0 on success, and non-zero on failure.",
        run: |bed| {
            let stage = Stage::new(bed);
            for plugin in ["bridge", "host-local", "loopback", "portmap"] {
                stage.call(plugin, "VERSION", &Value::Null)?.run()?.succeeds()?;
                refused(stage.call(plugin, "NO-SUCH-VERB", &Value::Null)?.run()?)?;
                refused(stage.call(plugin, "ADD", &json!("no object"))?.of(&Container::new()?).run()?)?;
            }
            Ok(())
        },
    },
    Check {
        name: "cni-success-has-its-keys",
        place: "SPEC.md#add-success",
        sentence: "Plugins must output a JSON object with the following keys upon a successful `ADD` operation:",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let result = stage.add(&stage.bridge("1.0.0"), &container)?;
            ensure!(result.get("cniVersion") == Some(&json!("1.0.0")), "{result}");
            let listed = result.get("interfaces").and_then(Value::as_array).cloned().unwrap_or_default();
            let own = listed.iter().position(|one| one.get("sandbox") == Some(&json!(container.path())));
            let Some(own) = own else { anyhow::bail!("no interface is in the sandbox: {result}") };
            ensure!(result.pointer(&format!("/interfaces/{own}/name")) == Some(&json!("eth0")), "{result}");
            ensure!(result.pointer("/ips/0/interface") == Some(&json!(own)), "{result}");
            let address =
                result.pointer("/ips/0/address").and_then(Value::as_str).unwrap_or_default().to_owned();
            ensure!(container.ip("-o addr show eth0")?.contains(&address), "{address} is not there");
            ensure!(result.pointer("/routes/0/dst") == Some(&json!("0.0.0.0/0")), "{result}");
            Ok(())
        },
    },
    Check {
        name: "cni-previous-result-is-passed-on",
        place: "SPEC.md#add-success",
        sentence: "If a plugin makes no changes that would be reflected in the _Success result_ type, then it must output a result equivalent to the provided `prevResult`.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let result = stage.add(&stage.bridge("1.0.0"), &container)?;
            for plugin in ["portmap", "loopback"] {
                let config =
                    with_result(&json!({"cniVersion": "1.0.0", "name": "net", "type": plugin}), &result);
                let passed = stage.add(&config, &container)?;
                ensure!(passed == result, "{plugin}: {result} became {passed}");
            }
            Ok(())
        },
    },
    Check {
        name: "cni-ipam-success-is-abbreviated",
        place: "SPEC.md#delegated-plugins-ipam",
        sentence: "Delegated IPAM plugins must return an abbreviated _Success_ object. Specifically, it is missing the `interfaces` array, as well as the `interface` entry in `ips`.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let config = with(&stage.bridge("1.0.0"), "type", json!("host-local"));
            let result = stage.add(&config, &container)?;
            ensure!(result.get("interfaces").is_none(), "{result}");
            ensure!(
                result.pointer("/ips/0/interface").is_none() && result.pointer("/ips/0/address").is_some(),
                "{result}"
            );
            Ok(())
        },
    },
    Check {
        name: "cni-version-has-its-keys",
        place: "SPEC.md#version-success",
        sentence: "Plugins must output a JSON object with the following keys upon a `VERSION` operation:",
        run: |bed| {
            let stage = Stage::new(bed);
            for plugin in ["bridge", "host-local", "loopback", "portmap"] {
                let input = json!({"cniVersion": "1.0.0"});
                let answer = stage
                    .call(plugin, "VERSION", &input)?
                    .without("CNI_CONTAINERID")
                    .run()?
                    .succeeds()?
                    .json()?;
                ensure!(answer.get("cniVersion").is_some_and(Value::is_string), "{plugin}: {answer}");
                let supported = answer.get("supportedVersions").and_then(Value::as_array);
                ensure!(supported.is_some_and(|all| !all.is_empty()), "{plugin}: {answer}");
            }
            Ok(())
        },
    },
    Check {
        name: "cni-error-names-the-variables",
        place: "SPEC.md#error",
        sentence: "`4`|Invalid necessary environment variables, like CNI_COMMAND, CNI_CONTAINERID, etc. The error message must contain the names of invalid variables.",
        run: missing_variables,
    },
    Check {
        name: "cni-error-of-a-version",
        place: "SPEC.md#error",
        sentence: "`1`|Incompatible CNI version",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let call = stage.call("bridge", "ADD", &stage.bridge("9.9.9"))?.of(&container);
            let error = refused(call.run()?)?;
            ensure!(error.get("code") == Some(&json!(1)), "{error}");
            Ok(())
        },
    },
];

fn missing_variables(bed: &crate::bed::Bed) -> Result<()> {
    let (stage, container) = (Stage::new(bed), Container::new()?);
    let config = stage.bridge("1.0.0");
    for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
        let call = stage.call("bridge", "ADD", &config)?.of(&container).without(name);
        let error = refused(call.run()?)?;
        let says = error.get("msg").and_then(Value::as_str).is_some_and(|msg| msg.contains(name));
        ensure!(error.get("code") == Some(&json!(4)) && says, "without {name}: {error}");
    }
    Ok(())
}
