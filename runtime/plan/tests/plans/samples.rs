//! Plans for the configs that engines wrote, on hosts with each cgroup version.

use crate::{Cgroups, host, plan, request};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use tare_plan::host::{Host, Privilege};

/// The places that can't be planned, for root or rootless: none.
const UNSUPPORTED: &[&str] = &[];

fn samples() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().contains("-process-"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Plans samples. Returns the places of the mistakes, and the number of plans.
fn planned(samples: &[(String, Vec<u8>)], host: &Host) -> (Vec<String>, usize) {
    let (mut unsupported, mut planned) = (BTreeSet::new(), 0);
    for (name, bytes) in samples {
        match plan(bytes, host, &request(None)) {
            Ok(plan) => {
                assert_eq!(plan.rendezvous(), Ok(()), "{name}");
                planned += 1;
            }
            Err(mistakes) => {
                unsupported.extend(mistakes.iter().map(|mistake| format!("{name} {}", mistake.place)));
            }
        }
    }
    (unsupported.into_iter().collect(), planned)
}

#[test]
fn every_sample_is_planned() {
    let mut samples = samples();
    assert_eq!(samples.len(), 33);
    for cgroups in Cgroups::ALL {
        let (unsupported, planned) = planned(&samples, &host(cgroups, Privilege::Root));
        assert_eq!(unsupported, UNSUPPORTED, "{cgroups:?}");
        assert_eq!(planned, samples.len());
    }
    samples.retain(|(name, _)| name.starts_with("podmanrl"));
    for cgroups in Cgroups::ALL {
        let user = Privilege::User { uid: 1000, gid: 1000 };
        assert_eq!(planned(&samples, &host(cgroups, user)).0, UNSUPPORTED, "{cgroups:?}");
    }
}

/// A loose bound: the machine may be busy, and this is not a release build. `make bench` measures.
#[test]
fn planning_takes_less_than_50_ms() {
    let mut slowest = (Duration::ZERO, String::new());
    for (name, bytes) in samples() {
        let host = host(Cgroups::Hybrid, Privilege::Root);
        let best = (0..5).map(|_| {
            let begun = Instant::now();
            drop(plan(&bytes, &host, &request(None)));
            begun.elapsed()
        });
        slowest = slowest.max((best.min().unwrap(), name));
    }
    eprintln!("read, checked and planned in at most {:?} ({})", slowest.0, slowest.1);
    assert!(slowest.0 < Duration::from_millis(50), "{slowest:?}");
}
