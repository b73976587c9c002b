//! What a clone must not carry: names that say nothing, big files, places of one machine, hosts of registries.

use super::Finding;
use super::tree::File;

/// No committed file is this big: history is cloned for ever.
const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;

/// Folders and files with such a name become drawers for everything.
const JUNK_DRAWERS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "shared"];

/// Places that exist on one machine only. In pieces, so that this file does not find itself.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red")];

/// Hosts of package registries: clients know them from their settings.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("repo1.maven", ".org"),
    concat!("repo.maven.apache", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("deb.debian", ".org"),
];

/// A file or folder is named for what is in it.
pub(super) fn file_name(file: &File) -> Option<Finding> {
    let stem = |part: &str| part.strip_suffix(".rs").unwrap_or(part).to_owned();
    let code = file.path.ends_with(".rs") || file.path.ends_with("Cargo.toml");
    let drawer = file.path.split('/').map(stem).find(|part| code && JUNK_DRAWERS.contains(&part.as_str()))?;
    Some(Finding::new(&file.path, 1, format!("`{drawer}` is a junk drawer: name the file for what is in it")))
}

/// No file is too big to be cloned by everyone.
pub(super) fn file_size(file: &File) -> Option<Finding> {
    let text = || format!("{} bytes, {FILE_BYTES_MAX} at most: cut it down or make it when it is needed", file.size);
    (file.size >= FILE_BYTES_MAX).then(|| Finding::new(&file.path, 1, text()))
}

/// No path of the author's machine.
pub(super) fn machine_paths(file: &File) -> Vec<Finding> {
    let what = |path: &str| format!("`{path}` is a place of one machine: use a relative path or a setting");
    mentions(file, MACHINE_PATHS).map(|(path, line)| Finding::new(&file.path, line, what(path))).collect()
}

/// No host of a package registry, but in lock files, which cargo writes.
pub(super) fn registry_hosts(file: &File) -> Vec<Finding> {
    if file.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let what = |host: &str| format!("`{host}` is a registry's host: leave it to the client's settings");
    mentions(file, REGISTRY_HOSTS).map(|(host, line)| Finding::new(&file.path, line, what(host))).collect()
}

/// Where a file has one of the words at the start of a path or a name: `a/network/b` does not mention a `work`.
fn mentions<'a>(file: &'a File, wanted: &'a [&'a str]) -> impl Iterator<Item = (&'a str, usize)> {
    let lines = file.text.as_deref().unwrap_or_default().lines().zip(1..);
    lines.filter_map(|(line, number)| {
        let starts = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '}'));
        let found = wanted.iter().find(|word| line.match_indices(**word).any(|(at, _)| starts(at)))?;
        Some((*found, number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_drawers_are_found() {
        for path in ["crates/api/src/utils.rs", "crates/common/Cargo.toml", "crates/sql/src/helpers/a.rs"] {
            assert!(file_name(&File::of(path, "")).is_some(), "{path}");
        }
        for path in ["crates/api/src/common_table.rs", "docs/shared/a.md"] {
            assert!(file_name(&File::of(path, "")).is_none(), "{path}");
        }
    }

    #[test]
    fn a_big_file_is_found() {
        let mut file = File::of("examples/a.csv", "");
        assert!(file_size(&file).is_none());
        file.size = FILE_BYTES_MAX;
        assert!(file_size(&file).is_some());
    }

    #[test]
    fn places_of_a_machine_are_found() {
        let text =
            concat!("cd /wo", "rk/main\nsee ../sha", "red/a\nnet", "work/x\n\"/ro", "ot/.cargo\"\n$HOME/wo", "rk/\n");
        let found = machine_paths(&File::of("script/a", text));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn hosts_of_registries_are_found() {
        let text = concat!("a\nhttps://crates", ".io/x\n");
        assert_eq!(registry_hosts(&File::of("README.md", text))[0].line, 2);
        assert!(registry_hosts(&File::of("Cargo.lock", text)).is_empty());
    }
}
