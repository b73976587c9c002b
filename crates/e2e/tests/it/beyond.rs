//! What Flink refuses and Flott answers: `beyond/AREA/NAME.sql`, with rows that were worked out by hand.

use std::path::{Path, PathBuf};

use crate::scripts::{difference, recorded};
use crate::session::Runner;

/// The scripts of all areas.
pub(crate) fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("beyond");
    let areas = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut files: Vec<PathBuf> = areas
        .flat_map(|area| std::fs::read_dir(area).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .collect();
    files.sort();
    files
}

#[test]
fn queries_beyond_flink_give_the_rows_that_were_worked_out() {
    let (mut wrong, mut compared) = (String::new(), 0);
    for script in scripts() {
        let expected = recorded(&std::fs::read_to_string(script.with_extension("out")).unwrap());
        let ours = Runner::new().run(&std::fs::read_to_string(&script).unwrap());
        assert_eq!(expected.len(), ours.len(), "{}: other statements than expected", script.display());
        for (number, (expected, (statement, ours))) in (1..).zip(expected.iter().zip(&ours)) {
            compared += 1;
            if let Some(how) = difference(expected, ours, statement) {
                wrong.push_str(&format!("{}\t{number}\t{statement}\n{how}\n", script.display()));
            }
        }
    }
    assert!(wrong.is_empty() && compared > 12, "{compared} compared:\n{wrong}");
}
