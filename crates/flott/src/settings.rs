//! The configuration of a process: Flink's file, then `-D`.

use std::path::Path;

use flott_api::{Error, Result};
use flott_sql::config::{Configuration, Origin};
use serde_json::Value;

use crate::arguments::CommonArguments;

const SESSION_ZONE: &str = "table.local-time-zone";

/// Reads the configuration that the command line names. Answers with warnings as well.
///
/// # Errors
/// If the file cannot be read, or an option is unknown, wrong or refused.
pub fn read(arguments: &CommonArguments) -> Result<(Configuration, Vec<String>)> {
    let mut configuration = Configuration::default();
    let mut warnings = Vec::new();
    // As in Flink, the session's zone is the machine's unless somebody says otherwise. A machine that does not tell its
    // zone, or one that nobody knows, keeps UTC.
    for zone in [std::env::var("TZ").ok(), iana_time_zone::get_timezone().ok()].into_iter().flatten() {
        if configuration.set(SESSION_ZONE, &zone, Origin::Default).is_ok() {
            break;
        }
    }
    if let Some(path) = &arguments.config {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::invalid(format!("configuration '{}' cannot be read", path.display())).with_source(e))?;
        for (key, value) in parse(path, &text)? {
            let set = configuration.set(&key, &value, Origin::File);
            warnings.extend(set.map_err(|e| e.context(format!("configuration '{}'", path.display())))?);
        }
    }
    for definition in &arguments.define {
        let (key, value) = definition.split_once('=').ok_or_else(|| {
            Error::invalid(format!("'-D {definition}' is no option")).with_hint("Write -D key=value.")
        })?;
        warnings.extend(configuration.set(key.trim(), value.trim(), Origin::CommandLine)?);
    }
    Ok((configuration, warnings))
}

/// Keys and values of a YAML file; nested maps make dotted keys, lists are joined with `;` as in Flink.
fn parse(path: &Path, text: &str) -> Result<Vec<(String, String)>> {
    let wrong = |what: String| Error::invalid(format!("configuration '{}' {what}", path.display()));
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    // YAML 1.2, as Flink reads it: `y` and `on` are text.
    let yaml = serde_saphyr::options! { strict_booleans: true };
    let document: Value = serde_saphyr::from_str_with_options(text, yaml)
        .map_err(|e| wrong("is no YAML".to_owned()).with_detail(e.to_string()))?;
    let mut options = Vec::new();
    match document {
        Value::Null => {}
        Value::Object(_) => flatten("", document, &mut options),
        _ => return Err(wrong("has no keys".to_owned())),
    }
    let mut seen = std::collections::BTreeSet::new();
    match options.iter().find(|(key, _)| !seen.insert(key.clone())) {
        Some((twice, _)) => Err(wrong(format!("sets '{twice}' twice"))),
        None => Ok(options),
    }
}

fn flatten(prefix: &str, value: Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&key, value, out);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            out.push((prefix.to_owned(), items.join(";")));
        }
        // A key without a value sets nothing.
        Value::Null => {}
        other => out.push((prefix.to_owned(), scalar(&other))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<(String, String)> {
        parse(Path::new("c.yaml"), text).unwrap()
    }

    #[test]
    fn nested_and_flat_keys_are_one() {
        let nested = keys("parallelism:\n  default: 2\ntable:\n  local-time-zone: UTC\n");
        let flat = keys("parallelism.default: 2\ntable.local-time-zone: UTC\n");
        assert_eq!(nested, flat);
        assert_eq!(nested[0], ("parallelism.default".to_owned(), "2".to_owned()));
    }

    #[test]
    fn lists_comments_and_mistakes() {
        assert_eq!(keys("# nothing\n\n"), []);
        assert_eq!(keys("a:\n  b: [x, y]\n"), [("a.b".to_owned(), "x;y".to_owned())]);
        assert!(parse(Path::new("c.yaml"), "a: [").is_err());
        assert!(parse(Path::new("c.yaml"), "a.b: 1\na:\n  b: 2\n").is_err());
    }
}
