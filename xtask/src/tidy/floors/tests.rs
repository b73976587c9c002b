//! The floor check on metadata as cargo writes it, once whole and once with each kind of crack.

use cargo_metadata::MetadataCommand;

use super::super::crates::members;
use super::*;

/// A package in cargo's own words: name, folder, dependencies with their kinds (`null` is a normal one).
fn package(name: &str, folder: &str, dependencies: &[(&str, &str)]) -> String {
    let dependencies: Vec<String> = dependencies
        .iter()
        .map(|(name, kind)| {
            format!(
                r#"{{"name":"{name}","source":null,"req":"*","kind":{kind},"rename":null,"optional":false,
                "uses_default_features":true,"features":[],"target":null,"registry":null}}"#
            )
        })
        .collect();
    format!(
        r#"{{"name":"{name}","version":"0.1.0","id":"{name}","license":null,"license_file":null,"description":null,
        "source":null,"dependencies":[{}],"targets":[],"features":{{}},"manifest_path":"/house/{folder}/Cargo.toml",
        "metadata":null,"publish":[],"authors":[],"categories":[],"keywords":[],"readme":null,"repository":null,
        "homepage":null,"documentation":null,"edition":"2024","links":null,"default_run":null,"rust_version":null}}"#,
        dependencies.join(",")
    )
}

/// Name, folder, and the dependencies as name and kind.
type Package<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// What `cargo metadata --no-deps` would say of these packages, read as `tidy` reads it.
fn house(packages: &[Package<'_>]) -> Vec<Crate> {
    let ids: Vec<String> = packages.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    let ids = ids.join(",");
    let packages: Vec<String> = packages.iter().map(|(name, folder, deps)| package(name, folder, deps)).collect();
    let json = format!(
        r#"{{"packages":[{}],"workspace_members":[{ids}],"workspace_default_members":[{ids}],"resolve":null,
        "target_directory":"/house/target","version":1,"workspace_root":"/house","metadata":null}}"#,
        packages.join(",")
    );
    members(&MetadataCommand::parse(json.replace('\n', " ")).expect("metadata as cargo writes it"))
}

const NORMAL: &str = "null";
const DEV: &str = r#""dev""#;

fn texts(findings: Vec<Finding>) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_house_with_all_edges_leading_down_is_tidy() {
    let crates = house(&[
        ("flott-features", "crates/features", &[]),
        ("flott-api", "crates/api", &[("flott-features", NORMAL), ("serde", NORMAL)]),
        ("flott-state", "crates/state", &[("flott-api", NORMAL), ("flott-api", DEV)]),
        ("flott-runtime", "crates/runtime", &[("flott-api", NORMAL), ("flott-state", NORMAL)]),
        ("flott", "crates/flott", &[("flott-runtime", NORMAL)]),
        ("flott-e2e", "crates/e2e", &[("flott", NORMAL)]),
        ("flott-bench", "bench", &[("flott", NORMAL)]),
    ]);
    assert_eq!(texts(check(&crates)), Vec::<String>::new());
}

#[test]
fn an_edge_that_leads_up_is_found() {
    let crates = house(&[
        ("flott-state", "crates/state", &[("flott-runtime", NORMAL)]),
        ("flott-runtime", "crates/runtime", &[]),
    ]);
    assert_eq!(
        texts(check(&crates)),
        ["crates/state/Cargo.toml:1: flott-state (floor 1) has a dependency on flott-runtime (floor 2): \
         depend on lower floors only, and hand the rest in as a trait"]
    );
}

#[test]
fn an_edge_sideways_is_found_in_tests_too() {
    let crates = house(&[
        ("flott-sql", "crates/sql", &[("flott-connectors", DEV)]),
        ("flott-connectors", "crates/connectors", &[]),
        ("flott-connector-kafka", "crates/connector-kafka", &[("flott-lake", NORMAL)]),
        ("flott-lake", "crates/lake", &[]),
    ]);
    let found = texts(check(&crates));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("flott-sql (floor 2) has a dev-dependency on flott-connectors (floor 2)"), "{found:?}");
    assert!(found[1].contains("flott-connector-kafka (floor 3)"), "{found:?}");
}

#[test]
fn nobody_uses_what_stands_outside() {
    let crates = house(&[("flott-e2e", "crates/e2e", &[("flott-bench", NORMAL)]), ("flott-bench", "bench", &[])]);
    assert!(texts(check(&crates))[0].contains("flott-bench (outside the house)"));
}

#[test]
fn a_new_crate_needs_a_floor() {
    let crates = house(&[("flott-attic", "crates/attic", &[])]);
    assert!(texts(check(&crates))[0].contains("crate \"flott-attic\" has no floor"));
}

#[test]
fn datafusion_is_named_only_where_it_may_be() {
    let crates = house(&[
        ("flott-sql", "crates/sql", &[("datafusion-expr", NORMAL)]),
        ("flott-runtime", "crates/runtime", &[("datafusion-expr", NORMAL)]),
        ("flott-api", "crates/api", &[("datafusion", DEV)]),
    ]);
    let found = texts(datafusion(&crates));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("crates/runtime/Cargo.toml:1: flott-runtime must not know DataFusion"), "{found:?}");
}
