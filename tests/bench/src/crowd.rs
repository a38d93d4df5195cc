//! A crowd: what one more container costs on a bridge with nearly as many ports as it can have.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use crate::Options;
use crate::place::Place;
use crate::plugins::{add, sides};
use crate::report::Report;
use crate::side::{Call, Container, Side};
use crate::usage::cost;

/// A bridge has at most 1,024 ports.
const ATTACHED: usize = 1000;
const CROWDED: &str = "1000 attached";
const EMPTY: &str = "0 attached";
const SAMPLES: usize = 20;
/// For so long the containers look for routers often, each question going to all others, and the running process pays for it.
const CALMED: Duration = Duration::from_secs(20);

/// Measures all directories and adds the figures. Ours connect the crowd on all sides: the leases and the ports are the
/// same, and theirs would take minutes.
pub(crate) fn measure(place: &Place, options: &Options, report: &mut Report) -> Result<()> {
    raise_descriptor_limit()?;
    for side in &sides(place, options)? {
        writeln!(std::io::stderr(), "measuring {} with {ATTACHED} attached", side.name)?;
        let ours = side.with_plugins(&place.programs)?;
        let config = side.config("bridge", json!({}));
        let mut attached = Vec::new();
        for number in 0..ATTACHED {
            let container = Container::new(format!("crowd-{number}"))?;
            ours.call(&Call { verb: "ADD", config: &config, container: &container })?;
            attached.push(container);
        }
        std::thread::sleep(CALMED);
        let empty = side.on_empty_host(place)?;
        for round in 0..=options.plugin_samples.min(SAMPLES) {
            for place in [(&empty, EMPTY), (side, CROWDED)] {
                late(&side.name, place, round, report)?;
                floor(place, round, report)?;
            }
        }
    }
    Ok(())
}

/// One more container, on a bridge with many ports or with none.
fn late(name: &str, (host, attached): (&Side, &str), round: usize, report: &mut Report) -> Result<()> {
    let container = Container::new(format!("late-{round}"))?;
    let config = host.config("bridge", json!({}));
    for verb in ["ADD", "DEL"] {
        let cost = cost(|| host.call(&Call { verb, config: &config, container: &container }).map(drop))?;
        if round > 0 {
            let case = format!("{verb} of {name} with {ATTACHED} attached");
            report.sample((&case, "CPU ms"), (attached, EMPTY), cost.cpu_ms);
            if attached == CROWDED {
                add(report, &format!("bridge+host-local, {ATTACHED} attached {verb}"), host, cost);
            }
        }
    }
    Ok(())
}

/// What the kernel alone takes: a pair that is there becomes a port, in one message of the plainest of programs, and the
/// port opens, since the other end is up. `ADD` can't grow by less.
fn floor((host, attached): (&Side, &str), round: usize, report: &mut Report) -> Result<()> {
    let container = Container::new("floor")?;
    host.ip("link add floor type veth peer name peer netns", &container)?;
    container.ip("link set peer up")?;
    for (verb, words) in
        [("joined and opened", "link set floor master bench0 up"), ("removed", "link del floor")]
    {
        let cost = cost(|| host.ip(words, &container))?;
        if round > 0 {
            let case = format!("a port {verb} by ip link with {ATTACHED} attached");
            report.sample((&case, "CPU ms"), (attached, EMPTY), cost.cpu_ms);
        }
    }
    Ok(())
}

/// Each container is an open descriptor.
fn raise_descriptor_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}
