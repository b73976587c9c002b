//! The configuration of a process: Flink's file, then `-D`.

use std::path::Path;

use flott_api::{Error, Result};
use flott_sql::config::{Configuration, LATEST, Origin};
use flott_sql::secret::is_secret;
use serde_json::Value;

use crate::arguments::{ClaimMode, ConfigurationArguments, RecoveryArguments};

const SESSION_ZONE: &str = "table.local-time-zone";
/// What a job resumes from.
pub const RECOVERY_PATH: &str = "execution.state-recovery.path";

/// Reads the configuration that the command line names. Answers with warnings as well.
///
/// # Errors
/// If the file cannot be read, or an option is unknown, wrong or refused.
pub fn read(arguments: &ConfigurationArguments) -> Result<(Configuration, Vec<String>)> {
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
            let shown = if is_secret(definition) { "****" } else { definition };
            Error::invalid(format!("'-D {shown}' is no option")).with_hint("Write -D key=value.")
        })?;
        warnings.extend(configuration.set(key.trim(), value.trim(), Origin::CommandLine)?);
    }
    Ok((configuration, warnings))
}

/// Sets what the command line says of recovery.
///
/// # Errors
/// If the path is none, or is set by `-D` as well.
pub fn set_recovery(configuration: &mut Configuration, arguments: &RecoveryArguments) -> Result<()> {
    let mut set = |key: &str, value: &str| configuration.set(key, value, Origin::CommandLine).map(drop);
    match arguments.claim_mode {
        Some(ClaimMode::Claim) => set("execution.state-recovery.claim-mode", "CLAIM")?,
        Some(ClaimMode::NoClaim) => set("execution.state-recovery.claim-mode", "NO_CLAIM")?,
        None => {}
    }
    if arguments.allow_non_restored_state {
        set("execution.state-recovery.ignore-unclaimed-state", "true")?;
    }
    let Some(from) = &arguments.from else { return Ok(()) };
    if configuration.origin(RECOVERY_PATH) == Origin::CommandLine {
        return Err(Error::invalid(format!("'--from' and '-D {RECOVERY_PATH}' set the same option"))
            .with_hint("Remove one of them."));
    }
    let path = if from == LATEST { from.clone() } else { location(from)? };
    configuration.set(RECOVERY_PATH, &path, Origin::CommandLine).map(drop)
}

/// A path of the command line, which may be relative to the current folder; a URI stays as it is.
///
/// # Errors
/// If there is no current folder, or it has no name in UTF-8.
pub fn location(path: &str) -> Result<String> {
    if path.contains(":/") {
        return Ok(path.to_owned());
    }
    let wrong = || Error::invalid(format!("'{path}' is no path"));
    let absolute = std::path::absolute(path).map_err(|e| wrong().with_source(e))?;
    absolute.into_os_string().into_string().map_err(|_| wrong())
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

    #[test]
    fn recovery_is_set_by_flags() {
        let arguments = |from: Option<&str>| RecoveryArguments {
            from: from.map(str::to_owned),
            claim_mode: Some(ClaimMode::Claim),
            allow_non_restored_state: true,
        };
        let mut c = Configuration::default();
        set_recovery(&mut c, &arguments(Some("latest"))).unwrap();
        assert_eq!((c.get(RECOVERY_PATH), c.origin(RECOVERY_PATH)), (Some("latest"), Origin::CommandLine));
        assert_eq!(c.get("execution.state-recovery.claim-mode"), Some("CLAIM"));
        assert_eq!(c.get("execution.state-recovery.ignore-unclaimed-state"), Some("true"));
        let error = set_recovery(&mut c, &arguments(Some("/a"))).unwrap_err();
        assert!(error.message().contains("set the same option"), "{error}");
        let mut c = Configuration::default();
        set_recovery(&mut c, &arguments(Some("chk-7"))).unwrap();
        let path = c.get(RECOVERY_PATH).unwrap();
        assert!(path.starts_with('/') && path.ends_with("/chk-7"), "{path}");
        let mut c = Configuration::default();
        set_recovery(&mut c, &arguments(Some("s3://b/chk-7"))).unwrap();
        assert_eq!(c.get(RECOVERY_PATH), Some("s3://b/chk-7"));
    }

    #[test]
    fn a_slip_of_the_pen_does_not_show_a_secret() {
        let define = vec!["s3.secret-key:hush".to_owned()];
        let error = read(&ConfigurationArguments { config: None, define }).unwrap_err();
        assert_eq!(error.message(), "'-D ****' is no option");
    }
}
