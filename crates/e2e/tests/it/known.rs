//! Differences that we know and why: `oracle/KNOWN.tsv`, a line each: file, case, reason.
//!
//! A difference that is not listed fails the test, and so does a line whose case is equal by now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folder of the recordings.
pub(crate) fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle")
}

/// The areas whose scripts are queries: all but those that are about something else. `FLOTT_ORACLE_AREA=match,over` takes
/// some alone.
pub(crate) fn query_areas() -> Vec<String> {
    const OTHERS: [&str; 4] = ["flights", "format", "plan", "types"];
    let entries = std::fs::read_dir(oracle()).unwrap().map(|entry| entry.unwrap().path());
    let mut areas: Vec<String> = (entries.filter(|path| path.is_dir()))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|area| !OTHERS.contains(&area.as_str()))
        .filter(|area| chosen().is_none_or(|chosen| chosen.split(',').any(|one| one == area)))
        .collect();
    areas.sort();
    areas
}

/// The areas that are wanted alone.
pub(crate) fn chosen() -> Option<String> {
    std::env::var("FLOTT_ORACLE_AREA").ok()
}

/// The scripts of an area.
pub(crate) fn scripts_of(area: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(oracle().join(area)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "sql")).collect();
    files.sort();
    files
}

/// Differences found in one run, to be compared with those that are known.
pub(crate) struct Differences {
    known: BTreeMap<(String, String), String>,
    area: String,
    found: Vec<(String, String, String)>,
    equal: usize,
}

impl Differences {
    /// The differences in files that begin with `area`.
    pub(crate) fn new(area: &str) -> Self {
        let text = std::fs::read_to_string(oracle().join("KNOWN.tsv")).unwrap();
        let lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(|line| {
            let mut cells = line.splitn(3, '\t');
            let mut cell = || cells.next().unwrap_or_else(|| panic!("KNOWN.tsv: {line}")).to_owned();
            ((cell(), cell()), cell())
        });
        let known = lines.filter(|((file, _), _)| file.starts_with(area)).collect();
        Differences { known, area: area.to_owned(), found: Vec::new(), equal: 0 }
    }

    /// Notes a case that is equal.
    pub(crate) fn equal(&mut self) {
        self.equal += 1;
    }

    /// Notes a case that differs.
    pub(crate) fn differs(&mut self, file: &str, case: &str, how: String) {
        self.found.push((file.to_owned(), case.to_owned(), how));
    }

    /// Fails if there is a difference that is not known, or a known one that is none.
    pub(crate) fn check(mut self) {
        let mut report = String::new();
        let mut expected = 0;
        for (file, case, how) in &self.found {
            match self.known.remove(&(file.clone(), case.clone())) {
                Some(_) => expected += 1,
                None => report.push_str(&format!("{file}\t{case}\t{how}\n")),
            }
        }
        for ((file, case), reason) in &self.known {
            report.push_str(&format!("{file}\t{case}\tis equal now, but listed in KNOWN.tsv: {reason}\n"));
        }
        let unknown = report.lines().count();
        if std::env::var_os("FLOTT_ORACLE_REPORT").is_some() {
            std::fs::write(std::env::temp_dir().join(format!("oracle-{}.txt", self.area.replace('/', "-"))), &report)
                .unwrap();
        }
        assert!(self.equal > 0, "{}: nothing was compared", self.area);
        let shown: String = report.lines().take(40).map(|l| format!("{l}\n")).collect();
        assert!(
            unknown == 0,
            "{}: {} equal, {expected} known differences, {unknown} unknown ones:\n{shown}",
            self.area,
            self.equal
        );
    }
}

/// The page for users has every reason, and no other.
#[test]
fn differences_are_told_to_users() {
    let known = std::fs::read_to_string(oracle().join("KNOWN.tsv")).unwrap();
    let lines = known.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let reasons: BTreeSet<&str> = lines.map(|line| line.splitn(3, '\t').nth(2).unwrap()).collect();
    let page = std::fs::read_to_string(oracle().join("../../../docs/compatibility.md")).unwrap();
    let bullets = page.lines().filter_map(|line| line.strip_prefix("- "));
    // In brackets behind it is the folder.
    let told: BTreeSet<&str> = bullets.map(|line| line.rsplit_once(" (").map_or(line, |(reason, _)| reason)).collect();
    assert_eq!(told.difference(&reasons).collect::<Vec<_>>(), Vec::<&&str>::new(), "nothing differs so any more");
    assert_eq!(reasons.difference(&told).collect::<Vec<_>>(), Vec::<&&str>::new(), "not in docs/compatibility.md");
}
