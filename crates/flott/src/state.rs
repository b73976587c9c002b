//! `flott state list` and `flott state show`: what is in a checkpoint or savepoint; `flott state check` ([`check`])
//! whether the directory of a job is whole.
//!
//! A line tells on standard error which job it is of and when it was taken; the rows go to standard output.

pub mod check;
pub mod entries;
pub mod listing;

use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::Subtask;
use flott_api::key_group::PARALLELISM_MAX;
use flott_api::state::StateStore;
use flott_api::{Error, Result};
use flott_sql::session::TextTable;
use flott_state::checkpoint::manifest::{Manifest, OperatorSnapshot};
use flott_state::checkpoint::{RoutingObjects, read_snapshot};
use flott_state::handle::{NamedState, StoreSnapshot};
use flott_state::store::{BlockCache, SegmentStore, StoreOptions};

use crate::arguments::{ConfigurationArguments, OutputFormat, SnapshotArguments, StateCommand, StateShowArguments};
use crate::exit::Exit;
use crate::output::{self, View};
use crate::screen::Screen;
use crate::{plugins, settings};
use entries::Entries;

/// How many entries are read at once.
const PAGE_ENTRIES: usize = 4096;
const CACHE_BYTES: usize = 16 << 20;

/// Does what the command says.
///
/// # Errors
/// If there is no such checkpoint, it is damaged, or what is asked for is not in it.
pub async fn run(command: &StateCommand, environment: Environment, screen: &Arc<Screen>) -> Result<Exit> {
    let (opened, table) = match command {
        StateCommand::Check(arguments) => return check::run(arguments, environment, screen).await,
        StateCommand::List(list) => {
            let opened = open(&list.snapshot, environment, screen).await?;
            let table = listing::table(&opened.manifest, list.files);
            (opened, table)
        }
        StateCommand::Show(show) => {
            let opened = open(&show.snapshot, environment, screen).await?;
            let table = shown(&opened, show).await?;
            (opened, table)
        }
    };
    screen.say(format!("{}\n", listing::headline(&opened.manifest, &opened.view.zone)?));
    screen.show(output::text_table(opened.view.style, &table))?;
    Ok(Exit::Done)
}

/// A checkpoint or savepoint that is open to be read.
struct Opened {
    manifest: Manifest,
    /// Those that it names.
    files: Arc<RoutingObjects>,
    environment: Environment,
    view: View,
}

async fn open(arguments: &SnapshotArguments, environment: Environment, screen: &Screen) -> Result<Opened> {
    let (environment, view) = configured((&arguments.configuration, arguments.output), environment, screen)?;
    let location = settings::location(&arguments.snapshot)?;
    let snapshot = read_snapshot(&location, Arc::clone(&environment.objects), &environment).await?;
    let files = RoutingObjects::new(Arc::clone(&environment.objects), &snapshot.root)?;
    Ok(Opened { manifest: snapshot.manifest, files, environment, view })
}

/// The environment with the stores of the configuration, and how rows are shown.
fn configured(
    (arguments, format): (&ConfigurationArguments, OutputFormat),
    mut environment: Environment,
    screen: &Screen,
) -> Result<(Environment, View)> {
    let (configuration, warnings) = settings::read(arguments)?;
    warnings.iter().for_each(|warning| screen.warning(warning));
    environment.objects = plugins::objects(&plugins::store_options(&configuration), &environment);
    Ok((environment, View::of(format, &configuration)?))
}

/// The entries that are asked for.
async fn shown(opened: &Opened, arguments: &StateShowArguments) -> Result<TextTable> {
    let mut entries = Entries::new(&opened.view.zone, arguments.limit);
    for (operator, state) in chosen(&opened.manifest, arguments)? {
        if entries.is_full() {
            break;
        }
        read_entries(opened, (operator, state), &mut entries).await?;
    }
    Ok(entries.into_table())
}

/// Puts the entries of a state, as many as are wanted.
async fn read_entries(
    opened: &Opened,
    (operator, state): (&OperatorSnapshot, &NamedState),
    entries: &mut Entries,
) -> Result<()> {
    let parts: Vec<StoreSnapshot> = operator.subtasks.iter().filter_map(|s| s.store.clone()).collect();
    let all = (Subtask { index: 0, parallelism: 1 }, 0..PARALLELISM_MAX);
    let (files, cache) = (Arc::clone(&opened.files) as _, BlockCache::new(CACHE_BYTES));
    let options = StoreOptions::new(files, opened.environment.clone(), String::new(), all, cache);
    let store = SegmentStore::open(options, &parts)?;
    let number = store.declare(&state.descriptor)?.number;
    let mut from = Bytes::new();
    while !entries.is_full() {
        let page = store.scan(number, &[], &from, PAGE_ENTRIES).await?;
        let found: Vec<(&[u8], &[u8])> = page.entries.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        entries.put(&operator.uid.0, &state.descriptor, &found)?;
        let Some(next) = page.next else { break };
        from = next;
    }
    Ok(())
}

/// The keyed states that are asked for.
///
/// # Errors
/// If there is none; tells which there are.
fn chosen<'m>(
    manifest: &'m Manifest,
    arguments: &StateShowArguments,
) -> Result<Vec<(&'m OperatorSnapshot, &'m NamedState)>> {
    let operators: Vec<&OperatorSnapshot> = match &arguments.operator {
        None => manifest.operators.iter().collect(),
        Some(uid) => manifest.operators.iter().filter(|o| o.uid.0 == *uid).collect(),
    };
    if let (Some(uid), true) = (&arguments.operator, operators.is_empty()) {
        let uids: Vec<&str> = manifest.operators.iter().map(|o| o.uid.0.as_str()).collect();
        return Err(Error::invalid(format!("there is no operator '{uid}' in it"))
            .with_hint(format!("Its operators are: {}.", uids.join(", "))));
    }
    let all: Vec<_> = operators.iter().flat_map(|o| listing::keyed_states(o).into_iter().map(|s| (*o, s))).collect();
    let Some(name) = &arguments.state else { return Ok(all) };
    let (named, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, s)| s.descriptor.name == *name);
    if named.is_empty() {
        let names: Vec<&str> = others.iter().map(|(_, s)| s.descriptor.name.as_str()).collect();
        return Err(Error::invalid(format!("there is no keyed state '{name}'"))
            .with_hint(format!("The keyed states are: {}.", names.join(", "))));
    }
    Ok(named)
}

#[cfg(test)]
mod tests;
