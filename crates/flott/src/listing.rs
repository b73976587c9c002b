//! `flott options`: every option in force, with its value, who set it, and what it does.

use std::fmt::Write;

use flott_sql::config::{Configuration, OPTIONS, option_of};
use flott_sql::secret;

/// The list, aligned; ends with a line break.
pub fn options(configuration: &Configuration) -> String {
    let effective = configuration.effective();
    let mut rows = vec![["option".to_owned(), "value".to_owned(), "set by".to_owned(), "what it does".to_owned()]];
    for option in effective {
        let spec = option_of(&option.key);
        let what = spec.map_or("It is Flink's, and has no effect here.", |o| o.description);
        let shown = secret::shown(&option.key, &option.value);
        rows.push([option.key, shown, option.origin.to_string(), what.to_owned()]);
    }
    for unset in OPTIONS.iter().filter(|o| configuration.get(o.key).is_none()) {
        rows.push([unset.key.to_owned(), String::new(), "nobody".to_owned(), unset.description.to_owned()]);
    }
    rows[1..].sort();
    aligned(&rows)
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut out = String::new();
    let widths: Vec<usize> = (0..N).map(|i| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use flott_sql::config::Origin;

    use super::*;

    #[test]
    fn every_option_is_listed_with_its_origin() {
        let mut configuration = Configuration::default();
        configuration.set("parallelism.default", "2", Origin::CommandLine).unwrap();
        let text = options(&configuration);
        assert!(OPTIONS.iter().all(|o| text.lines().any(|line| line.starts_with(o.key))));
        let line = text.lines().find(|l| l.starts_with("parallelism.default")).unwrap();
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        assert_eq!(words, ["parallelism.default", "2", "command", "line"]);
        let unset = text.lines().find(|l| l.starts_with("pipeline.name")).unwrap();
        assert!(unset.contains("nobody"));
    }

    #[test]
    fn secrets_are_hidden() {
        let mut configuration = Configuration::default();
        configuration.set("s3.secret-key", "hush", Origin::File).unwrap();
        let text = options(&configuration);
        let line = text.lines().find(|l| l.starts_with("s3.secret-key")).unwrap();
        assert!(line.contains("****") && !text.contains("hush"), "{line}");
    }
}
