//! `flott state list`: a row for everything that an operator remembers.

use flott_api::Result;
use flott_api::state::{Redistribution, StateDescriptor};
use flott_sql::session::TextTable;
use flott_state::checkpoint::manifest::{InFlightSnapshot, Manifest, OperatorSnapshot, SnapshotKind, SubtaskSnapshot};
use flott_state::handle::{ListState, NamedState, StateFile, StoreSnapshot};

use crate::jobs::time_text;

const COLUMNS: [&str; 10] =
    ["uid", "operator", "parallelism", "what", "name", "key", "parts", "files", "entries", "bytes"];

/// Which job it is of and when it was taken, in a line.
///
/// # Errors
/// If the zone does not exist.
pub fn headline(manifest: &Manifest, zone: &str) -> Result<String> {
    let kind = match manifest.kind {
        SnapshotKind::Checkpoint if manifest.in_flight().next().is_some() => "unaligned checkpoint",
        SnapshotKind::Checkpoint => "checkpoint",
        SnapshotKind::Savepoint { drained: false } => "savepoint",
        SnapshotKind::Savepoint { drained: true } => "drained savepoint",
    };
    let end = if manifest.finished { ", after the end of its input" } else { "" };
    let (id, name, job) = (manifest.checkpoint.0, &manifest.job_name, manifest.job);
    Ok(format!("{kind} {id} of job '{name}' ({job}), taken at {}{end}", time_text(manifest.timestamp_ms, zone)?))
}

/// All that is in it; with `files` a row for each file too.
pub fn table(manifest: &Manifest, files: bool) -> TextTable {
    TextTable::of(&COLUMNS, manifest.operators.iter().flat_map(|o| operator_rows(o, files)).collect())
}

/// The keyed states of an operator; every subtask has the same.
pub fn keyed_states(operator: &OperatorSnapshot) -> Vec<&NamedState> {
    let mut all: Vec<&NamedState> = Vec::new();
    for state in stores(operator).flat_map(|store| &store.states) {
        if !all.iter().any(|known| known.descriptor.name == state.descriptor.name) {
            all.push(state);
        }
    }
    all
}

/// A row without the columns of its operator.
#[derive(Default)]
struct Line {
    what: String,
    name: String,
    key: String,
    parts: String,
    files: Option<usize>,
    entries: Option<u64>,
    bytes: Option<u64>,
}

impl Line {
    fn of(what: impl Into<String>) -> Self {
        Line { what: what.into(), ..Line::default() }
    }

    fn cells(self, operator: &OperatorSnapshot) -> Vec<Option<String>> {
        let text = |text: String| (!text.is_empty()).then_some(text);
        vec![
            Some(operator.uid.to_string()),
            Some(operator.name.clone()),
            Some(format!("{}/{}", operator.subtasks.len(), operator.max_parallelism)),
            text(self.what),
            text(self.name),
            text(self.key),
            text(self.parts),
            self.files.map(|n| n.to_string()),
            self.entries.map(|n| n.to_string()),
            self.bytes.map(|n| n.to_string()),
        ]
    }
}

fn operator_rows(operator: &OperatorSnapshot, files: bool) -> Vec<Vec<Option<String>>> {
    let mut lines: Vec<Line> = keyed_states(operator).into_iter().map(|s| state_line(&s.descriptor)).collect();
    lines.extend(store_lines(operator));
    if files {
        lines.extend(files_of(operator).into_iter().map(file_line));
        lines.extend(operator.subtasks.iter().flat_map(|s| &s.in_flight).filter_map(rows_file_line));
    }
    lines.extend(list_lines(operator));
    lines.extend(connector_lines(operator));
    if lines.is_empty() {
        lines.push(Line::of("nothing"));
    }
    lines.into_iter().map(|line| line.cells(operator)).collect()
}

fn stores(operator: &OperatorSnapshot) -> impl Iterator<Item = &StoreSnapshot> {
    operator.subtasks.iter().filter_map(|subtask| subtask.store.as_ref())
}

/// The files, each once: after a rescale several subtasks share one.
fn files_of(operator: &OperatorSnapshot) -> Vec<&StateFile> {
    let mut files: Vec<&StateFile> = stores(operator).flat_map(|store| &store.files).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path).then(a.key_groups.start.cmp(&b.key_groups.start)));
    files.dedup_by(|a, b| a.path == b.path);
    files
}

fn state_line(descriptor: &StateDescriptor) -> Line {
    let parts: Vec<String> = descriptor.parts.iter().map(|part| format!("{} {}", part.name, part.ty)).collect();
    let namespace = if descriptor.namespaced { "window, " } else { "" };
    let key = format!("{namespace}{}", descriptor.key);
    let key = key.trim_end_matches(", ").to_owned();
    Line { name: descriptor.name.clone(), key, parts: parts.join(", "), ..Line::of("keyed state") }
}

/// What the keyed states of all subtasks take together.
fn store_lines(operator: &OperatorSnapshot) -> Vec<Line> {
    let files = files_of(operator);
    let inline: usize = stores(operator).filter_map(|store| store.inline.as_ref()).map(|i| i.bytes.len()).sum();
    let mut lines = Vec::new();
    if !files.is_empty() {
        lines.push(Line {
            files: Some(files.len()),
            entries: Some(files.iter().map(|f| f.entries).sum()),
            bytes: Some(files.iter().map(|f| f.size).sum()),
            ..Line::of("files")
        });
    }
    if inline > 0 {
        lines.push(Line { bytes: Some(inline as u64), ..Line::of("in the manifest") });
    }
    lines
}

fn file_line(file: &StateFile) -> Line {
    Line { name: file.path.clone(), entries: Some(file.entries), bytes: Some(file.size), ..Line::of("file") }
}

fn rows_file_line(in_flight: &InFlightSnapshot) -> Option<Line> {
    let name = in_flight.file()?.to_owned();
    Some(Line { name, entries: Some(in_flight.rows), bytes: Some(in_flight.bytes), ..Line::of("file") })
}

/// Each list with the items of all subtasks.
fn list_lines(operator: &OperatorSnapshot) -> Vec<Line> {
    let mut names: Vec<&str> = stores(operator).flat_map(|s| &s.lists).map(|list| list.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of_name = |name: &str| -> Vec<&ListState> {
        stores(operator).flat_map(|s| &s.lists).filter(|list| list.name == name).collect()
    };
    names.into_iter().map(|name| list_line(name, &of_name(name))).collect()
}

fn list_line(name: &str, lists: &[&ListState]) -> Line {
    let what = match lists.first().map(|list| list.redistribution) {
        Some(Redistribution::Union) => "union list",
        Some(Redistribution::Broadcast) => "broadcast list",
        Some(Redistribution::Split) | None => "list",
    };
    let items = lists.iter().flat_map(|list| &list.items);
    Line {
        name: name.to_owned(),
        entries: Some(items.clone().count() as u64),
        bytes: Some(items.map(|item| item.len() as u64).sum()),
        ..Line::of(what)
    }
}

/// What sources and sinks remember, and what lay in channels.
fn connector_lines(operator: &OperatorSnapshot) -> Vec<Line> {
    let of_subtasks = |bytes: fn(&SubtaskSnapshot) -> Vec<usize>| -> Vec<usize> {
        operator.subtasks.iter().flat_map(bytes).collect()
    };
    let all = [
        ("enumerator", operator.enumerator.iter().map(|e| e.state.len()).collect()),
        ("splits", of_subtasks(|s| s.splits.iter().map(|split| split.state.len()).collect())),
        ("writers", of_subtasks(|s| s.writer.iter().map(|writer| writer.state.len()).collect())),
        ("committables", operator.committables.iter().map(|c| c.payload.len()).collect::<Vec<_>>()),
    ];
    let some = all.into_iter().filter(|(_, sizes)| !sizes.is_empty());
    let line = |(what, sizes): (&str, Vec<usize>)| Line {
        entries: Some(sizes.len() as u64),
        bytes: Some(sizes.iter().sum::<usize>() as u64),
        ..Line::of(what)
    };
    some.map(line).chain(in_flight_line(operator)).collect()
}

/// What was on its way to the operator when an unaligned checkpoint was taken.
fn in_flight_line(operator: &OperatorSnapshot) -> Option<Line> {
    let all: Vec<&InFlightSnapshot> = operator.subtasks.iter().flat_map(|s| &s.in_flight).collect();
    (!all.is_empty()).then(|| Line {
        name: senders(&all),
        files: Some(all.iter().filter(|i| i.file().is_some()).count()).filter(|files| *files > 0),
        entries: Some(all.iter().map(|i| i.rows).sum()),
        bytes: Some(all.iter().map(|i| i.bytes).sum()),
        ..Line::of("rows under way")
    })
}

/// From whom, each once.
fn senders(all: &[&InFlightSnapshot]) -> String {
    let mut names: Vec<&str> = all.iter().flat_map(|i| &i.edges).map(|e| e.from_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
