//! What every `Cargo.toml` of the workspace has in common.

use super::Finding;
use super::crates::Crate;
use super::tree::Tree;

/// Every crate takes the workspace's lints; without the line it would have none.
pub(super) fn lints(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let bare = crates.iter().filter(|member| !takes_lints(tree.text(&member.manifest)));
    bare.map(|member| {
        let text = "the workspace's lints are not taken: add `[lints]` with `workspace = true`";
        Finding::new(&member.manifest, 1, text)
    })
    .collect()
}

fn takes_lints(manifest: &str) -> bool {
    let section = manifest.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
    section.take_while(|line| !line.starts_with('[')).any(|line| line.replace(' ', "") == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::*;

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let good = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";
        let crates = ["a", "b", "c"].map(|name| Crate {
            name: name.to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            dependencies: Vec::new(),
        });
        let files = vec![
            File::of("crates/a/Cargo.toml", good),
            File::of("crates/b/Cargo.toml", "[lints]\n[x]\nworkspace = true\n"),
        ];
        let found = lints(&Tree { files }, &crates);
        let paths: Vec<&str> = found.iter().map(|finding| finding.file.as_str()).collect();
        assert_eq!(paths, ["crates/b/Cargo.toml", "crates/c/Cargo.toml"]);
    }
}
