//! The operations ADD, DEL, CHECK, STATUS and GC, and delegation; sections 2, 3 and 4.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::check::Check;
use crate::cni::stage::{Container, Stage, refused, with, with_ipam, with_result};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "cni-add-prints-its-result",
        place: "SPEC.md#add-add-container-to-network-or-apply-modifications",
        sentence: "If the CNI plugin is successful, it must output a result structure (see below) on standard out.",
        run: |bed| {
            let stage = Stage::new(bed);
            let config = json!({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"});
            let result = stage.add(&config, &Container::new()?)?;
            ensure!(result.get("cniVersion") == Some(&json!("1.0.0")), "{result}");
            Ok(())
        },
    },
    Check {
        name: "cni-add-handles-the-previous-result",
        place: "SPEC.md#add-add-container-to-network-or-apply-modifications",
        sentence: "If the plugin was supplied a `prevResult` as part of its input configuration, it MUST handle `prevResult` by either passing it through, or modifying it appropriately.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let result = stage.add(&stage.bridge("1.0.0"), &container)?;
            let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
            let portmap = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap",
                                 "runtimeConfig": {"portMappings": mappings}});
            let passed = stage.add(&with_result(&portmap, &result), &container)?;
            ensure!(passed == result, "{result} became {passed}");
            Ok(())
        },
    },
    Check {
        name: "cni-add-refuses-an-interface-that-is-there",
        place: "SPEC.md#add-add-container-to-network-or-apply-modifications",
        sentence: "If an interface of the requested name already exists in the container, the CNI plugin MUST return with an error.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            container.ip("link add eth0 type veth peer name other")?;
            let before = container.ip("-o link")?;
            refused(stage.call("bridge", "ADD", &stage.bridge("1.0.0"))?.of(&container).run()?)?;
            ensure!(container.ip("-o link")? == before, "it changed the interfaces");
            Ok(())
        },
    },
    Check {
        name: "cni-del-may-come-again",
        place: "SPEC.md#del-remove-container-from-network-or-un-apply-modifications",
        sentence: "Plugins MUST accept multiple `DEL` calls for the same (`CNI_CONTAINERID`, `CNI_IFNAME`) pair, and return success if the interface in question, or any modifications added, are missing.",
        run: del_again,
    },
    Check {
        name: "cni-check-consults-the-result",
        place: "SPEC.md#check-check-containers-networking-is-as-expected",
        sentence: "The plugin must consult the `prevResult` to determine the expected interfaces and addresses.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let config = stage.bridge("1.0.0");
            let mut result = stage.add(&config, &container)?;
            let check = |result: &Value| {
                stage.call("bridge", "CHECK", &with_result(&config, result))?.of(&container).run()
            };
            check(&result)?.succeeds()?;
            *result.pointer_mut("/ips/0/address").context("no address")? = json!("10.5.0.200/24");
            refused(check(&result)?).map(drop)
        },
    },
    Check {
        name: "cni-check-allows-what-others-changed",
        place: "SPEC.md#check-check-containers-networking-is-as-expected",
        sentence: "The plugin must allow for a later chained plugin to have modified networking resources, e.g. routes, on `ADD`.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let config = stage.bridge("1.0.0");
            let mut result = stage.add(&config, &container)?;
            container.ip("link add other type veth peer name another")?;
            container.ip("route add 192.0.2.0/24 via 10.5.0.1")?;
            let interfaces =
                result.get_mut("interfaces").and_then(Value::as_array_mut).context("no interfaces")?;
            interfaces.push(json!({"name": "other", "sandbox": container.path()}));
            stage
                .call("bridge", "CHECK", &with_result(&config, &result))?
                .of(&container)
                .run()?
                .succeeds()
                .map(drop)
        },
    },
    Check {
        name: "cni-check-right-after-add",
        place: "SPEC.md#check-check-containers-networking-is-as-expected",
        sentence: "The plugin must handle `CHECK` being called immediately after an `ADD`, and therefore should allow a reasonable convergence delay for any asynchronous resources.",
        run: |bed| {
            let stage = Stage::new(bed);
            let ranges = json!([[{"subnet": "fd00:5::/64"}]]);
            let config = with_ipam(&stage.bridge("1.0.0"), "ranges", ranges);
            for number in 0..5 {
                let (container, id) = (Container::new()?, format!("c{number}"));
                let call = |verb, config: &Value| {
                    Ok::<_, anyhow::Error>(stage.call("bridge", verb, config)?.of(&container).id(&id))
                };
                let result = call("ADD", &config)?.run()?.succeeds()?.json()?;
                call("CHECK", &with_result(&config, &result))?.run()?.succeeds()?;
            }
            Ok(())
        },
    },
    Check {
        name: "cni-status-of-what-is-ready",
        place: "SPEC.md#status-check-plugin-status",
        sentence: "A plugin must exit with a zero (success) return code if the plugin is ready to service ADD requests.",
        run: |bed| {
            let stage = Stage::new(bed);
            stage.speaks("bridge", "1.1.0")?;
            stage.call("bridge", "STATUS", &stage.bridge("1.1.0"))?.run()?.succeeds().map(drop)
        },
    },
    Check {
        name: "cni-status-of-what-is-not",
        place: "SPEC.md#status-check-plugin-status",
        sentence: "If the plugin knows that it is not able to service ADD requests, it must exit with a non-zero return code and output an error on standard out (see below).",
        run: |bed| {
            let stage = Stage::new(bed);
            stage.speaks("bridge", "1.1.0")?;
            let config = with_ipam(&stage.bridge("1.1.0"), "rangeEnd", json!("10.5.0.2"));
            stage.add(&config, &Container::new()?)?;
            let error = refused(stage.call("bridge", "STATUS", &config)?.run()?)?;
            let code = error.get("code").and_then(Value::as_u64);
            ensure!(matches!(code, Some(50 | 51)), "{error}");
            Ok(())
        },
    },
    Check {
        name: "cni-status-is-not-needed",
        place: "SPEC.md#status-check-plugin-status",
        sentence: "A plugin MUST NOT rely on `STATUS` being called.",
        run: |bed| {
            let stage = Stage::new(bed);
            stage.speaks("bridge", "1.1.0")?;
            stage.add(&stage.bridge("1.1.0"), &Container::new()?).map(drop)
        },
    },
    Check {
        name: "cni-status-is-delegated",
        place: "SPEC.md#status-check-plugin-status",
        sentence: "If a plugin relies on a delegated plugin (e.g. IPAM) to service `ADD` requests, it must also execute a `STATUS` request to that plugin when it receives a `STATUS` request for itself.",
        run: |bed| delegates(bed, "STATUS"),
    },
    Check {
        name: "cni-gc-is-delegated",
        place: "SPEC.md#gc-clean-up-any-stale-resources",
        sentence: "Plugins MUST, additionally, forward any GC calls to delegated plugins they are configured to use (see section 4).",
        run: |bed| delegates(bed, "GC"),
    },
    Check {
        name: "cni-many-at-once",
        place: "SPEC.md#lifecycle--ordering",
        sentence: "Plugins must handle being executed concurrently across different containers. If necessary, they must implement locking on shared resources (e.g. IPAM databases).",
        run: many_at_once,
    },
    Check {
        name: "cni-delegates-have-the-environment",
        place: "SPEC.md#delegated-plugin-protocol",
        sentence: "The delegated plugin must receive all the same environment variables that were passed in to the CNI plugin.",
        run: |bed| {
            let (stage, container) = (Stage::new(bed), Container::new()?);
            let config = stage.delegating("1.0.0")?;
            let call = stage.call("bridge", "ADD", &config)?.of(&container);
            call.variable("CNI_ARGS", "IgnoreUnknown=1;A=b").run()?.succeeds()?;
            let told = stage.calls().into_iter().next().context("the delegate was not run")?;
            let words: Vec<&str> = told.split(' ').collect();
            let path = format!("{}:{}", bed.subject.path.display(), stage.notes().display());
            let expected = ["ADD", "c1", &container.path(), "eth0", "IgnoreUnknown=1;A=b", &path, "own"];
            ensure!(words == expected, "{told}");
            let input: Value = serde_json::from_slice(&std::fs::read(stage.notes().join("input-ADD"))?)?;
            ensure!(input == config, "the delegate was given {input}");
            Ok(())
        },
    },
    Check {
        name: "cni-delegates-are-executed",
        place: "SPEC.md#delegated-plugin-execution-procedure",
        sentence: "If a plugin is executed with `CNI_COMMAND=CHECK`, `DEL`, or `GC`, it must also execute any delegated plugins. If any of the delegated plugins return error, error should be returned by the upper plugin.",
        run: |bed| ["CHECK", "DEL"].into_iter().try_for_each(|verb| delegates(bed, verb)),
    },
];

fn del_again(bed: &Bed) -> Result<()> {
    let (stage, container) = (Stage::new(bed), Container::new()?);
    let config = stage.bridge("1.0.0");
    let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let portmap = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap",
                         "runtimeConfig": {"portMappings": mappings}});
    for (plugin, config) in [("bridge", &config), ("portmap", &portmap)] {
        // Nothing has been added yet.
        stage.call(plugin, "DEL", config)?.of(&container).run()?.succeeds()?;
    }
    let result = stage.add(&config, &container)?;
    stage.add(&with_result(&portmap, &result), &container)?;
    for (plugin, config) in [("portmap", &portmap), ("bridge", &config)] {
        let call = || {
            Ok::<_, anyhow::Error>(stage.call(plugin, "DEL", &with_result(config, &result))?.of(&container))
        };
        for _ in 0..2 {
            call()?.run()?.succeeds()?;
        }
        call()?.variable("CNI_NETNS", "").run()?.succeeds()?;
        stage.call(plugin, "DEL", config)?.variable("CNI_NETNS", "").run()?.succeeds()?;
    }
    ensure!(!container.ip("-o link")?.contains("eth0"), "the interface is still there");
    Ok(())
}

/// Whether a verb reaches the delegate, and its refusal the caller.
fn delegates(bed: &Bed, verb: &str) -> Result<()> {
    let stage = Stage::new(bed);
    let version = if ["GC", "STATUS"].contains(&verb) { "1.1.0" } else { "1.0.0" };
    stage.speaks("bridge", version)?;
    let container = Container::new()?;
    let mut config = stage.delegating(version)?;
    if verb == "CHECK" {
        config = with_result(&config, &stage.add(&config, &container)?);
    }
    if verb == "GC" {
        config = with(&config, "cni.dev/valid-attachments", json!([]));
    }
    let call = || Ok::<_, anyhow::Error>(stage.call("bridge", verb, &config)?.of(&container));
    call()?.run()?.succeeds()?;
    let reached = stage.calls().iter().any(|line| line.starts_with(&format!("{verb} ")));
    ensure!(reached, "the delegate was not executed with {verb}: {:?}", stage.calls());
    std::fs::write(stage.notes().join("refuse"), "")?;
    let error = refused(call()?.run()?);
    std::fs::remove_file(stage.notes().join("refuse"))?;
    error.map(drop).with_context(|| format!("the delegate refused {verb}"))
}

fn many_at_once(bed: &Bed) -> Result<()> {
    let stage = Stage::new(bed);
    let config = stage.bridge("1.0.0");
    let add = &|number: usize| -> Result<(Container, String)> {
        let container = Container::new()?;
        let call = stage.call("bridge", "ADD", &config)?.of(&container).id(&format!("c{number}"));
        let result = call.run()?.succeeds()?.json()?;
        let address =
            result.pointer("/ips/0/address").and_then(Value::as_str).context("no address")?.to_owned();
        Ok((container, address))
    };
    let all: Vec<Result<(Container, String)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20).map(|number| scope.spawn(move || add(number))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked"))))
            .collect()
    });
    let all: Vec<(Container, String)> = all.into_iter().collect::<Result<_>>()?;
    let addresses: BTreeSet<&String> = all.iter().map(|(_, address)| address).collect();
    ensure!(addresses.len() == all.len(), "an address was given twice: {addresses:?}");
    for (container, address) in &all {
        ensure!(container.ip("-o addr show eth0")?.contains(address), "{address} is not there");
    }
    Ok(())
}
