//! `flott state list` and `flott state show`: what is in a checkpoint or savepoint.
//!
//! A line tells on standard error which job it is of and when it was taken; the rows go to standard output.

pub mod entries;
pub mod listing;

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::{Error, Result};
use flott_sql::session::TextTable;
use flott_state::checkpoint::manifest::{Manifest, OperatorSnapshot};
use flott_state::handle::NamedState;

use crate::arguments::{SnapshotArguments, StateCommand, StateShowArguments};
use crate::exit::Exit;
use crate::output::{self, View};
use crate::screen::Screen;
use crate::{plugins, settings};
use entries::Entries;

/// Does what the command says.
///
/// # Errors
/// If there is no such checkpoint, it is damaged, or what is asked for is not in it.
pub async fn run(command: &StateCommand, environment: Environment, screen: &Arc<Screen>) -> Result<Exit> {
    let arguments = match command {
        StateCommand::List(list) => &list.snapshot,
        StateCommand::Show(show) => &show.snapshot,
    };
    let opened = open(arguments, environment, screen).await?;
    let table = match command {
        StateCommand::List(list) => listing::table(&opened.manifest, list.files),
        StateCommand::Show(show) => shown(&opened, show).await?,
    };
    screen.say(format!("{}\n", listing::headline(&opened.manifest, &opened.view.zone)?));
    screen.show(output::text_table(opened.view.style, &table))?;
    Ok(Exit::Done)
}

/// A checkpoint or savepoint that is open to be read.
struct Opened {
    manifest: Manifest,
    view: View,
}

async fn open(arguments: &SnapshotArguments, mut environment: Environment, screen: &Screen) -> Result<Opened> {
    let (configuration, warnings) = settings::read(&arguments.configuration)?;
    warnings.iter().for_each(|warning| screen.warning(warning));
    environment.objects = plugins::objects(&plugins::store_options(&configuration), &environment)?;
    let manifest = read_manifest(&settings::location(&arguments.snapshot)?, &environment).await?;
    let view = View::of(arguments.output, &configuration)?;
    Ok(Opened { manifest, view })
}

#[expect(clippy::unused_async, reason = "what it will await is on another branch")]
async fn read_manifest(uri: &str, _: &Environment) -> Result<Manifest> {
    // SEAM: `flott_state::checkpoint::read_snapshot(uri, stores, environment)`, once it is there.
    Err(Error::unsupported(format!("reading the checkpoint '{uri}'")))
}

/// The entries that are asked for.
async fn shown(opened: &Opened, arguments: &StateShowArguments) -> Result<TextTable> {
    let mut entries = Entries::new(&opened.view.zone, arguments.limit);
    for (operator, state) in chosen(&opened.manifest, arguments)? {
        if entries.is_full() {
            break;
        }
        read_entries(operator, state, &mut entries).await?;
    }
    Ok(entries.into_table())
}

/// Puts the entries of a state.
#[expect(clippy::unused_async, reason = "what it will await is on another branch")]
async fn read_entries(operator: &OperatorSnapshot, state: &NamedState, _: &mut Entries) -> Result<()> {
    // SEAM: a `SegmentStore` of the operator's snapshots scans the state, page by page, and `Entries::put` takes each
    // entry, once the store is there.
    Err(Error::unsupported(format!("showing state '{}' of operator '{}'", state.descriptor.name, operator.uid)))
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
