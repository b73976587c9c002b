//! The workspace's crates as `cargo metadata` tells them.

use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::Finding;

/// A member of the workspace.
#[derive(Debug)]
pub(super) struct Crate {
    /// Package name.
    pub(super) name: String,
    /// Its `Cargo.toml`, from the root of the repository.
    pub(super) manifest: String,
    /// What it names, of ours and of others.
    pub(super) dependencies: Vec<Dependency>,
}

/// A line of a dependency table.
#[derive(Debug)]
pub(super) struct Dependency {
    /// Package name.
    pub(super) name: String,
    /// Whether only its tests use it.
    pub(super) dev: bool,
}

impl Crate {
    /// The name its folder has: `sql` for `flott-sql`.
    pub(super) fn short(&self) -> &str {
        self.name.strip_prefix("flott-").unwrap_or(&self.name)
    }

    /// Its folder, from the root of the repository.
    pub(super) fn folder(&self) -> &str {
        self.manifest.strip_suffix("/Cargo.toml").unwrap_or_default()
    }
}

/// The root of the repository and its crates.
pub(super) fn read() -> Result<(PathBuf, Vec<Crate>), String> {
    let metadata = MetadataCommand::new().no_deps().exec().map_err(|error| format!("cargo metadata: {error}"))?;
    Ok((metadata.workspace_root.clone().into_std_path_buf(), members(&metadata)))
}

/// The members, of whatever metadata.
pub(super) fn members(metadata: &Metadata) -> Vec<Crate> {
    let packages = metadata.workspace_packages();
    packages
        .into_iter()
        .map(|package| Crate {
            name: package.name.to_string(),
            manifest: package
                .manifest_path
                .strip_prefix(&metadata.workspace_root)
                .unwrap_or(&package.manifest_path)
                .to_string(),
            dependencies: package
                .dependencies
                .iter()
                .map(|dep| Dependency { name: dep.name.clone(), dev: dep.kind == DependencyKind::Development })
                .collect(),
        })
        .collect()
}

/// A crate's folder is its name without `flott-`, under `crates/` unless it stands outside.
pub(super) fn folders(crates: &[Crate]) -> Vec<Finding> {
    let wrong = |member: &&Crate| {
        let short = member.short();
        member.folder() != format!("crates/{short}")
            && !(matches!(short, "bench" | "xtask") && member.folder() == short)
    };
    let text = |member: &Crate| {
        let (name, short) = (&member.name, member.short());
        format!("crate \"{name}\" must lie in crates/{short}: rename the folder or the package")
    };
    crates.iter().filter(wrong).map(|member| Finding::new(&member.manifest, 1, text(member))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, manifest: &str) -> Crate {
        Crate { name: name.to_owned(), manifest: manifest.to_owned(), dependencies: Vec::new() }
    }

    #[test]
    fn a_folder_is_named_as_its_crate() {
        let good =
            [("flott-sql", "crates/sql"), ("flott", "crates/flott"), ("flott-bench", "bench"), ("xtask", "xtask")];
        let good = good.map(|(name, folder)| member(name, &format!("{folder}/Cargo.toml")));
        assert!(folders(&good).is_empty());
        let bad = [member("flott-sql", "crates/planner/Cargo.toml"), member("flott-cep", "cep/Cargo.toml")];
        assert_eq!(folders(&bad).len(), 2);
    }
}
