//! `flott options`: every option in force, with its value, who set it, and what it does. `flott connectors`: what tables can be,
//! with the options of each.

use std::fmt::Write;
use std::sync::Arc;

use flott_api::error::nearest;
use flott_api::options::{OptionDefault, OptionTable};
use flott_api::table::TableFactory;
use flott_api::{Error, Result};
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

/// The connectors, and behind them the formats.
pub fn connectors(tables: &[Arc<dyn TableFactory>]) -> String {
    let mut rows = vec![["connector", "read", "written", "looked up", "what its tables are"].map(str::to_owned)];
    let yes = |so: bool| if so { "yes" } else { "-" }.to_owned();
    for factory in tables {
        let is = factory.description();
        let looked_up = yes(factory.lookup().is_some());
        rows.push([is.identifier.to_owned(), yes(is.source), yes(is.sink), looked_up, is.about.to_owned()]);
    }
    let mut formats = vec![["format".to_owned(), "what its records are".to_owned()]];
    formats.extend(flott_formats::descriptions().iter().map(|f| [f.identifier.to_owned(), f.about.to_owned()]));
    format!("{}\n{}\nTheir options: flott connectors NAME\n", aligned(&rows), aligned(&formats))
}

/// The options of a connector or a format.
///
/// # Errors
/// If there is none of that name.
pub fn options_of(tables: &[Arc<dyn TableFactory>], name: &str) -> Result<String> {
    if let Some(factory) = tables.iter().find(|factory| factory.identifier() == name) {
        let is = factory.description();
        let note = if is.format { "\nThe options of its format come beside: flott connectors json\n" } else { "" };
        return Ok(format!("{}{note}", described(is.options, "")));
    }
    let formats = flott_formats::descriptions();
    if let Some(format) = formats.iter().find(|format| format.identifier == name) {
        return Ok(described(format.options, &format!("{name}.")));
    }
    let known = tables.iter().map(|factory| factory.identifier());
    let known = known.chain(formats.iter().map(|format| format.identifier));
    let error = Error::invalid(format!("there is no connector or format '{name}'"));
    Err(match nearest(name, known) {
        Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
        None => error.with_hint("Those that there are: flott connectors."),
    })
}

fn described(tables: &[OptionTable], prefix: &str) -> String {
    let mut rows = vec![["option", "value", "default", "what it does"].map(str::to_owned)];
    for option in tables.iter().copied().flatten() {
        let about = option.about.replace('`', "");
        rows.push([format!("{prefix}{}", option.key), option.kind.to_string(), option.default.to_string(), about]);
    }
    if rows.len() == 1 {
        return "It has no options.\n".to_owned();
    }
    // What must be set comes first, and is told in the order of the table.
    let needed = |row: &[String; 4]| row[2] != OptionDefault::Needed.to_string();
    rows[1..].sort_by_key(needed);
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
    fn connectors_are_listed_with_their_options() {
        let tables = crate::plugins::user_tables();
        let all = connectors(&tables);
        for line in ["filesystem  ", "print  ", "json  ", "parquet  "] {
            assert!(all.lines().any(|l| l.starts_with(line)), "{line}: {all}");
        }
        let filesystem = options_of(&tables, "filesystem").unwrap();
        assert!(filesystem.lines().nth(1).unwrap().starts_with("path "), "{filesystem}");
        assert!(options_of(&tables, "csv").unwrap().contains("\ncsv.field-delimiter "));
        let error = options_of(&tables, "filesistem").unwrap_err();
        assert_eq!(error.hint(), Some("Did you mean 'filesystem'?"));
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
