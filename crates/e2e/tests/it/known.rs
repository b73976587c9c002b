//! Differences that we know and why: `oracle/KNOWN.tsv`, a line each: file, case, reason.
//!
//! A difference that is not listed fails the test, and so does a line whose case is equal by now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder of the recordings.
pub(crate) fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle")
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
