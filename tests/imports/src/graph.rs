//! Cycles in a directed graph.

use std::collections::{BTreeMap, BTreeSet};

/// The nodes of a graph with their successors.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns every group of nodes that reach each other, sorted. The node "" is left out.
pub(crate) fn cycles(graph: &Graph) -> Vec<Vec<String>> {
    let reached: Graph = graph.keys().map(|node| (node.clone(), reachable(graph, node))).collect();
    let reaches = |from: &String, to: &String| reached.get(from).is_some_and(|nodes| nodes.contains(to));
    let mut groups = BTreeSet::new();
    for node in graph.keys().filter(|node| reaches(node, node)) {
        let group = graph.keys().filter(|other| reaches(node, other) && reaches(other, node));
        groups.insert(group.cloned().collect::<Vec<String>>());
    }
    groups.into_iter().collect()
}

/// Returns the nodes that a path of at least one arrow leads to.
fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut left = vec![from.to_owned()];
    while let Some(node) = left.pop() {
        for next in graph.get(&node).into_iter().flatten().filter(|next| !next.is_empty()) {
            if reached.insert(next.clone()) {
                left.push(next.clone());
            }
        }
    }
    reached
}
