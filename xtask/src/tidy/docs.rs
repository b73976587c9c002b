//! The maps: they name every crate and every RFC, so that nothing has to be found by chance.

use super::Finding;
use super::crates::Crate;
use super::tree::Tree;

const RFC_FOLDER: &str = "docs/rfcs/";
const RFC_LIST: &str = "docs/rfcs/README.md";

/// ARCHITECTURE.md and GLOSSARY.md name every crate, as `` `sql` ``.
pub(super) fn crates_named(tree: &Tree, crates: &[Crate]) -> Vec<Finding> {
    let missing = |map: &'static str| {
        let text = tree.text(map);
        crates.iter().filter(move |member| !text.contains(&format!("`{}`", member.short()))).map(move |member| {
            let short = member.short();
            Finding::new(map, 1, format!("crate `{short}` is not named here: say in a line what it is for"))
        })
    };
    ["ARCHITECTURE.md", "GLOSSARY.md"].into_iter().flat_map(missing).collect()
}

/// Every RFC is called `NNNN-title.md`, has a number of its own, and is in the list.
pub(super) fn rfcs(tree: &Tree) -> Vec<Finding> {
    let list = tree.text(RFC_LIST);
    let mut findings = Vec::new();
    let mut last = "";
    let files = tree.files.iter().filter(|file| file.path.starts_with(RFC_FOLDER) && file.path != RFC_LIST);
    for file in files {
        let name = &file.path[RFC_FOLDER.len()..];
        let Some(number) = rfc_number(name) else {
            findings.push(Finding::new(&file.path, 1, "not an RFC's name: call it NNNN-title.md, in lower case"));
            continue;
        };
        if number == last {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("RFC {number} is there twice: take the next free number"),
            ));
        }
        if !list.contains(&format!("({name})")) {
            findings.push(Finding::new(&file.path, 1, format!("RFC {number} is not listed: link it in {RFC_LIST}")));
        }
        last = number;
    }
    findings
}

/// The number of `0012-some-title.md`.
fn rfc_number(name: &str) -> Option<&str> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = number.len() == 4 && number.chars().all(|c| c.is_ascii_digit()) && !title.is_empty();
    (fits && title.chars().all(plain)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::*;

    fn texts(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_crate_that_no_map_names_is_found() {
        let files = vec![File::of("ARCHITECTURE.md", "`sql` turns text into"), File::of("GLOSSARY.md", "sql")];
        let crates = [Crate {
            name: "flott-sql".to_owned(),
            manifest: "crates/sql/Cargo.toml".to_owned(),
            dependencies: Vec::new(),
        }];
        let found = texts(&crates_named(&Tree { files }, &crates));
        assert_eq!(found, ["GLOSSARY.md:1: crate `sql` is not named here: say in a line what it is for"]);
    }

    #[test]
    fn stray_double_and_unlisted_rfcs_are_found() {
        let names = ["0000-template.md", "0001-keys.md", "0001-other.md", "2-short.md", "0003-New.md", "README.md"];
        let listed = "[t](0000-template.md) [k](0001-keys.md) [o](0001-other.md)";
        let files =
            names.map(|name| File::of(&format!("{RFC_FOLDER}{name}"), if name == "README.md" { listed } else { "" }));
        let found = texts(&rfcs(&Tree { files: files.into() }));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("RFC 0001 is there twice"), "{found:?}");
        let unlisted = Tree { files: vec![File::of("docs/rfcs/0004-lost.md", "")] };
        assert!(texts(&rfcs(&unlisted))[0].contains("RFC 0004 is not listed"));
    }
}
