//! The pages of the manual that say which options there are: they are made of the tables that the options are read by.
//!
//! A page has a comment `<!-- options: NAME -->`, with the name of a connector, or of a format behind `format`, and what
//! stands from there to `<!-- end of options -->` is the table. With `UPDATE_EXPECT=1` the test writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flott::plugins::user_tables;
use flott_api::lookup::LOOKUP_CACHE;
use flott_api::options::{OptionTable, markdown};

const BEGIN: &str = "<!-- options: ";
const END: &str = "<!-- end of options -->";
/// The options that all connectors with lookups share have a table of their own.
const CACHES: &str = "caches of lookups";

/// What the manual must have, by name.
fn tables() -> BTreeMap<String, String> {
    let shared = |table: &&OptionTable| **table != LOOKUP_CACHE;
    let mut all = BTreeMap::from([(CACHES.to_owned(), markdown(&[LOOKUP_CACHE], ""))]);
    for factory in user_tables() {
        let is = factory.description();
        let own: Vec<OptionTable> = is.options.iter().filter(shared).copied().collect();
        all.insert(is.identifier.to_owned(), markdown(&own, ""));
    }
    for format in flott_formats::descriptions() {
        let name = format.identifier;
        all.insert(format!("format {name}"), markdown(format.options, &format!("{name}.")));
    }
    all
}

/// A page with its tables made anew, and the names of these.
fn renewed(page: &str, tables: &BTreeMap<String, String>) -> (String, Vec<String>) {
    let (mut new, mut names, mut rest) = (String::new(), Vec::new(), page);
    while let Some(begin) = rest.find(BEGIN) {
        let (before, after) = rest.split_at(begin + BEGIN.len());
        let (name, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once(END).unwrap();
        let table = tables.get(name).unwrap_or_else(|| panic!("there is nothing that is called '{name}'"));
        new.push_str(&format!("{before}{name} -->\n{table}{END}"));
        names.push(name.to_owned());
        rest = after;
    }
    new.push_str(rest);
    (new, names)
}

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

#[test]
fn the_manual_has_the_options_of_everything() {
    let tables = tables();
    let mut found = Vec::new();
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let (new, names) = renewed(&page, &tables);
        found.extend(names);
        if new == page {
            continue;
        }
        assert!(
            std::env::var_os("UPDATE_EXPECT").is_some(),
            "{} does not have the options as they are now: run this test with UPDATE_EXPECT=1",
            path.display()
        );
        fs::write(&path, new).unwrap();
    }
    found.sort();
    let all: Vec<&String> = tables.keys().collect();
    assert!(found.iter().eq(all.iter().copied()), "found {found:?}, and there are {all:?}");
}
