//! Plugins: ours and others connect and disconnect the same containers in turn.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Options;
use crate::place::Place;
use crate::report::Report;
use crate::side::{Call, Container, Side};
use crate::trace::Trace;
use crate::usage::{Cost, cost};

/// What the Go plugins are called in the table.
pub(crate) const BASE: &str = "Go";
const OURS: &str = "tare";
/// How often a call is observed: nothing of that varies much.
const TRACES: usize = 3;
/// How many are connected in a row and at once, and how often that is done.
const MANY: usize = 100;
const MANY_SAMPLES: usize = 2;

/// One plugin with one configuration, after what it needs before it in the chain.
struct Case {
    name: &'static str,
    plugin: &'static str,
    keys: Value,
    /// Keys of the bridge that comes before, for a plugin that is chained.
    before: Option<Value>,
}

/// Measures all directories and adds the figures.
pub(crate) fn measure(place: &Place, options: &Options, report: &mut Report) -> Result<()> {
    for case in cases() {
        writeln!(std::io::stderr(), "measuring {}", case.name)?;
        let sides = sides(place, options)?;
        for round in 0..=options.plugin_samples {
            for side in &sides {
                sample(side, (&case, round), report)
                    .with_context(|| format!("{} with {}", case.name, side.name))?;
            }
        }
        for _ in 0..TRACES {
            sides.iter().try_for_each(|side| observe(side, &case, report))?;
        }
    }
    for backend in ["nftables", "iptables"] {
        whole_chain(place, options, (backend, report))?;
    }
    many(place, options, report)
}

fn cases() -> Vec<Case> {
    let case = |name, plugin, keys, before| Case { name, plugin, keys, before };
    let bridge = || Some(json!({}));
    vec![
        case("loopback", "loopback", json!({}), None),
        case("bridge+host-local", "bridge", json!({}), None),
        case("bridge+host-local, ipMasq by nftables", "bridge", masquerade("nftables"), None),
        case("bridge+host-local, ipMasq by iptables", "bridge", masquerade("iptables"), None),
        case("portmap, nftables", "portmap", ports("nftables"), bridge()),
        case("portmap, iptables", "portmap", ports("iptables"), bridge()),
    ]
}

fn masquerade(backend: &str) -> Value {
    json!({"ipMasq": true, "ipMasqBackend": backend})
}

fn ports(backend: &str) -> Value {
    let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    json!({"backend": backend, "runtimeConfig": {"portMappings": mappings}})
}

/// A side for each directory of plugins.
pub(crate) fn sides(place: &Place, options: &Options) -> Result<Vec<Side>> {
    let mut sides =
        vec![Side::new(place, OURS, &place.programs)?, Side::new(place, BASE, &options.peer_plugins)?];
    let more = std::env::var_os("CNI_PEERS").unwrap_or_default();
    for (number, directory) in std::env::split_paths(&more).filter(|path| path.is_dir()).enumerate() {
        sides.push(Side::new(place, &format!("peer{}", number + 1), &directory)?);
    }
    Ok(sides)
}

/// The verbs of one container, each measured; the first round makes the bridge and warms the caches.
fn sample(side: &Side, (case, round): (&Case, usize), report: &mut Report) -> Result<()> {
    let container = Container::new(format!("bench-{round}"))?;
    let chain = Chain::start(side, case, &container)?;
    let mut result = Value::Null;
    let mut measured = vec![(
        "ADD",
        cost(|| {
            result = side.call(&chain.call("ADD", &chain.config))?;
            Ok(())
        })?,
    )];
    let checked = with_result(&chain.config, &result);
    for verb in ["CHECK", "DEL", "VERSION"] {
        match cost(|| side.call(&chain.call(verb, &checked)).map(drop)) {
            Ok(cost) => measured.push((verb, cost)),
            // The Go portmap of Debian looks for rules of IPv6 that its ADD has not made.
            Err(error) if verb == "CHECK" && side.name != OURS => {
                if round == 0 {
                    writeln!(std::io::stderr(), "no figure for {}: {error}", side.name)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    chain.end()?;
    for (verb, cost) in measured.into_iter().filter(|_| round > 0) {
        add(report, &format!("{} {verb}", case.name), side, cost);
    }
    Ok(())
}

fn observe(side: &Side, case: &Case, report: &mut Report) -> Result<()> {
    let container = Container::new("bench-traced")?;
    let chain = Chain::start(side, case, &container)?;
    // Its result is needed and not seen under observation: a second one would be refused.
    let traced = side.trace(&chain.call("ADD", &chain.config))?;
    note(report, &format!("{} ADD", case.name), side, &traced);
    for verb in ["DEL", "VERSION"] {
        let traced = side.trace(&chain.call(verb, &chain.config))?;
        note(report, &format!("{} {verb}", case.name), side, &traced);
    }
    let result = side.call(&chain.call("ADD", &chain.config))?;
    // Where there is no figure, `sample` has said why.
    if let Ok(traced) = side.trace(&chain.call("CHECK", &with_result(&chain.config, &result))) {
        note(report, &format!("{} CHECK", case.name), side, &traced);
    }
    side.call(&chain.call("DEL", &chain.config))?;
    chain.end()
}

/// Bridge and portmap of one container, each direction measured as one.
fn whole_chain(place: &Place, options: &Options, (backend, report): (&str, &mut Report)) -> Result<()> {
    let name = format!("the whole chain: ipMasq and portmap by {backend}");
    writeln!(std::io::stderr(), "measuring {name}")?;
    let sides = sides(place, options)?;
    for round in 0..=options.plugin_samples {
        for side in &sides {
            let container = Container::new(format!("chain-{round}"))?;
            let (bridge, mut last) =
                (side.config("bridge", masquerade(backend)), side.config("portmap", ports(backend)));
            let call = |verb, config: &Value| side.call(&Call { verb, config, container: &container });
            let added = cost(|| {
                last = with_result(&last, &call("ADD", &bridge)?);
                call("ADD", &last).map(drop)
            })?;
            let deleted = cost(|| call("DEL", &last).and_then(|_| call("DEL", &bridge)).map(drop))?;
            if round > 0 {
                add(report, &format!("{name} ADD"), side, added);
                add(report, &format!("{name} DEL"), side, deleted);
            }
        }
    }
    Ok(())
}

/// A plugin with what came before it, connected.
struct Chain<'a> {
    side: &'a Side,
    container: &'a Container,
    bridge: Option<Value>,
    config: Value,
}

impl<'a> Chain<'a> {
    fn start(side: &'a Side, case: &Case, container: &'a Container) -> Result<Self> {
        let bridge = case.before.clone().map(|keys| side.config("bridge", keys));
        let mut chain = Self { side, container, bridge, config: side.config(case.plugin, case.keys.clone()) };
        if let Some(bridge) = &chain.bridge {
            let result = side.call(&chain.call("ADD", bridge))?;
            chain.config = with_result(&chain.config, &result);
        }
        Ok(chain)
    }

    fn call<'b>(&'b self, verb: &'b str, config: &'b Value) -> Call<'b> {
        Call { verb, config, container: self.container }
    }

    fn end(self) -> Result<()> {
        self.bridge.iter().try_for_each(|bridge| self.side.call(&self.call("DEL", bridge)).map(drop))
    }
}

/// So many containers, one after the other and all at once.
fn many(place: &Place, options: &Options, report: &mut Report) -> Result<()> {
    writeln!(std::io::stderr(), "measuring {MANY} in a row and at once")?;
    let sides = sides(place, options)?;
    for _ in 0..MANY_SAMPLES {
        for side in &sides {
            let config = side.config("bridge", json!({"ipMasq": true}));
            let containers: Vec<Container> =
                (0..MANY).map(|number| Container::new(format!("many-{number}"))).collect::<Result<_>>()?;
            let call = |verb: &str, container: &Container| {
                side.call(&Call { verb, config: &config, container }).map(drop)
            };
            for verb in ["ADD", "DEL"] {
                let cost = cost(|| containers.iter().try_for_each(|container| call(verb, container)))?;
                add(report, &format!("{MANY} in a row, ipMasq {verb}"), side, cost);
            }
            let at_once = cost(|| all_at_once(&containers, |container| call("ADD", container)))?;
            add(report, &format!("{MANY} at once, ipMasq ADD"), side, at_once);
            let at_once = cost(|| all_at_once(&containers, |container| call("DEL", container)))?;
            add(report, &format!("{MANY} at once, ipMasq DEL"), side, at_once);
        }
    }
    Ok(())
}

fn all_at_once(containers: &[Container], act: impl Fn(&Container) -> Result<()> + Sync) -> Result<()> {
    let act = &act;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            containers.iter().map(|container| scope.spawn(move || act(container))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
        })
    })
}

fn with_result(config: &Value, result: &Value) -> Value {
    let mut config = config.clone();
    if let Some(keys) = config.as_object_mut() {
        keys.insert("prevResult".into(), result.clone());
    }
    config
}

/// Adds the times of one call.
pub(crate) fn add(report: &mut Report, case: &str, side: &Side, cost: Cost) {
    report.sample((case, "wall ms"), (&side.name, BASE), cost.wall_ms);
    report.sample((case, "CPU ms"), (&side.name, BASE), cost.cpu_ms);
}

fn note(report: &mut Report, case: &str, side: &Side, traced: &Trace) {
    report.sample((case, "peak RSS KiB"), (&side.name, BASE), traced.peak_kib);
    report.sample((case, "programs"), (&side.name, BASE), traced.programs);
    report.sample((case, "system calls"), (&side.name, BASE), traced.calls);
}
