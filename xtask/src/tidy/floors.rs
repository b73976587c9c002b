//! Floors: a crate depends only on crates of a lower floor, never sideways. And who may name DataFusion.

use super::Finding;
use super::crates::Crate;

/// The floor of each crate, as ARCHITECTURE.md draws them. A name that ends in `*` stands for all that begin so.
const FLOORS: &[(&str, i8)] = &[
    // Below the house: it only pins the features of shared dependencies.
    ("flott-features", -1),
    ("flott-api", 0),
    ("flott-formats", 1),
    ("flott-functions", 1),
    ("flott-graph", 1),
    ("flott-state", 1),
    ("flott-wasm", 1),
    ("flott-cep", 1),
    ("flott-connectors", 2),
    ("flott-sql", 2),
    ("flott-operators", 2),
    ("flott-runtime", 2),
    ("flott-python", 3),
    ("flott-kafka", 3),
    ("flott-jdbc", 3),
    ("flott-mongodb", 3),
    ("flott-brokers", 3),
    ("flott-connector-*", 3),
    ("flott-batch", 3),
    ("flott-cdc", 3),
    ("flott-lake", 3),
    ("flott-datastream", 3),
    ("flott-gateway", 3),
    ("flott-platform", 3),
    ("flott", 4),
    ("flott-e2e", 5),
];

/// Stand outside: they may use any crate, and no crate may use them.
const OUTSIDE: &[&str] = &["flott-bench", "xtask"];

/// May name DataFusion, in their tables of dependencies or in code.
pub(super) const DATAFUSION: &[&str] =
    &["flott-functions", "flott-sql", "flott-operators", "flott-batch", "flott", "flott-e2e"];

/// Every edge between two of our crates leads down; tests' edges too.
pub(super) fn check(crates: &[Crate]) -> Vec<Finding> {
    crates.iter().flat_map(|member| check_one(member, crates)).collect()
}

/// DataFusion is a dependency only where it may be named.
pub(super) fn datafusion(crates: &[Crate]) -> Vec<Finding> {
    let barred = crates.iter().filter(|member| !DATAFUSION.contains(&member.name.as_str()));
    barred
        .flat_map(|member| {
            let named = member.dependencies.iter().filter(|dep| dep.name.starts_with("datafusion"));
            named.map(|dep| {
                let text = format!(
                    "{} must not know DataFusion: remove \"{}\"; only {} may name it",
                    member.name,
                    dep.name,
                    DATAFUSION.join(", ")
                );
                Finding::new(&member.manifest, 1, text)
            })
        })
        .collect()
}

fn check_one(member: &Crate, crates: &[Crate]) -> Vec<Finding> {
    if OUTSIDE.contains(&member.name.as_str()) {
        return Vec::new();
    }
    let Some(floor) = floor_of(&member.name) else {
        let text = format!("crate \"{}\" has no floor: add it to FLOORS in xtask/src/tidy/floors.rs", member.name);
        return vec![Finding::new(&member.manifest, 1, text)];
    };
    let ours = |name: &str| crates.iter().any(|other| other.name == name);
    let edges = member.dependencies.iter().filter(|dep| ours(&dep.name));
    let wrong = edges.filter_map(|dep| {
        let what = broken_edge(floor, &dep.name)?;
        let kind = if dep.dev { "dev-dependency" } else { "dependency" };
        let text = format!(
            "{} (floor {floor}) has a {kind} on {} ({what}): depend on lower floors only, and hand the rest in as a trait",
            member.name, dep.name
        );
        Some(Finding::new(&member.manifest, 1, text))
    });
    wrong.collect()
}

/// What is wrong with an edge from a floor to a crate.
fn broken_edge(floor: i8, to: &str) -> Option<String> {
    if OUTSIDE.contains(&to) {
        return Some("outside the house".to_owned());
    }
    // A crate without a floor gets its own finding.
    let below = floor_of(to)?;
    (below >= floor).then(|| format!("floor {below}"))
}

fn floor_of(name: &str) -> Option<i8> {
    let fits = |pattern: &str| pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start));
    FLOORS.iter().find(|(pattern, _)| fits(pattern)).map(|(_, floor)| *floor)
}

#[cfg(test)]
mod tests;
