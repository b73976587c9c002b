//! Savepoints, which a user asks for and owns, and reading any snapshot by its path.
//!
//! A savepoint is a folder with all of its files and, put last, its `_metadata`; nothing in it names
//! anything outside, so it can be moved and copied. Nobody writes to it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::object::{ObjectStore, ObjectStores, PutMode};
use flott_api::{BoxFuture, Error, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::codec::{decode_manifest, encode_manifest};
use super::directory::{METADATA, check_files};
use super::location::{base_name, join, normal, parent};
use super::log::{FOLDER, LogReader};
use super::manifest::{Manifest, SnapshotKind};
use super::retrying::RetryingObjects;
use super::routing::RoutingObjects;

/// Copies at the same time: between two stores each takes the memory of a file, at most 64 MB.
const COPIES_MAX: usize = 4;
/// Names that a message about a wrong path tells.
const NAMES_TOLD_MAX: usize = 5;

/// A savepoint or checkpoint that was opened by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it consists of, as it was written: see [`Manifest::rebased`].
    pub manifest: Manifest,
    /// The URI that its relative paths begin at.
    pub root: String,
    /// The URI of its manifest.
    pub metadata: String,
}

/// Writes a savepoint into a new folder below `target`, and gives the folder's URI. The files of `manifest`
/// are those of the job with the files `source`.
///
/// # Errors
/// If a store fails, or a file of the manifest is missing or short. Then what was written is deleted, as
/// far as it can be, and there is no savepoint.
pub async fn write_savepoint(
    target: &str,
    manifest: &Manifest,
    source: &RoutingObjects,
    environment: &Environment,
) -> Result<String> {
    if manifest.kind == SnapshotKind::Checkpoint {
        return Err(Error::internal("a checkpoint is written as a savepoint"));
    }
    let nonce = environment.rng.next_u64() >> 16;
    let job = manifest.job.to_string();
    let folder = join(&normal(target), &format!("savepoint-{}-{nonce:012x}", &job[..6]));
    let routing = RoutingObjects::new(Arc::clone(source.stores()), &folder)?;
    let objects = RetryingObjects::new(Arc::clone(&routing) as _, Arc::clone(&environment.clock));
    match copy_all(manifest, source, &routing, objects.as_ref()).await {
        Ok(()) => Ok(folder),
        Err(error) => {
            if let Err(left) = delete_all(objects.as_ref()).await {
                tracing::warn!(error = %left, folder, "what was written of a savepoint could not be deleted");
            }
            Err(error.context(format_args!("savepoint '{folder}'")))
        }
    }
}

async fn copy_all(
    manifest: &Manifest,
    source: &RoutingObjects,
    target: &RoutingObjects,
    objects: &dyn ObjectStore,
) -> Result<()> {
    let mut names = BTreeMap::new();
    for path in manifest.files() {
        let number = names.len();
        // Files of several directories may have the same name.
        names.entry(path.to_owned()).or_insert_with(|| format!("state/{number:06}-{}", base_name(path)));
    }
    let pairs: Vec<(String, &String)> = names.iter().map(|(from, to)| (source.uri(from), to)).collect();
    let copies: Vec<BoxFuture<'_, Result<()>>> = pairs.iter().map(|(from, to)| objects.copy(from, to)).collect();
    stream::iter(copies).buffer_unordered(COPIES_MAX).try_collect::<()>().await?;
    let moved = Manifest { epoch: 0, ..manifest.with_paths(|path| names[path].clone()) };
    if let Some(broken) = check_files(objects, target, moved.sized_files()).await?.into_iter().next() {
        return Err(broken.error);
    }
    objects.put(METADATA, encode_manifest(&moved)?, PutMode::Create).await.map(drop)
}

/// Deletes a savepoint or what there is of one; the manifest first, so that it is none from then on.
async fn delete_all(objects: &dyn ObjectStore) -> Result<()> {
    objects.delete(METADATA).await?;
    for object in objects.list("").await? {
        objects.delete(&object.path).await?;
    }
    Ok(())
}

/// Opens a snapshot: the folder of a savepoint, `chk-<id>` of a checkpoint, or the `_metadata` in one.
///
/// # Errors
/// `Invalid` if there is no snapshot at the path, telling what is there; `Corrupt` if it is damaged.
pub async fn read_snapshot(uri: &str, stores: Arc<dyn ObjectStores>, environment: &Environment) -> Result<Snapshot> {
    let uri = normal(uri);
    let is_file = base_name(&uri).starts_with(METADATA);
    let folder = if is_file { parent(&uri).to_owned() } else { uri.clone() };
    let open = |folder: &str| -> Result<Arc<dyn ObjectStore>> {
        let routing = RoutingObjects::new(Arc::clone(&stores), folder)?;
        Ok(RetryingObjects::new(routing, Arc::clone(&environment.clock)))
    };
    let objects = open(&folder)?;
    let name = if is_file {
        base_name(&uri).to_owned()
    } else {
        find_metadata(&uri, objects.as_ref(), open(parent(&uri))?).await?
    };
    let metadata = join(&folder, &name);
    let Some(bytes) = objects.get(&name).await? else { return Err(nothing_at(&uri, &[])) };
    let manifest = decode_manifest(&metadata, &bytes)?;
    let root = match manifest.kind {
        SnapshotKind::Checkpoint => parent(&folder).to_owned(),
        SnapshotKind::Savepoint { .. } => folder,
    };
    Ok(Snapshot { manifest, root, metadata })
}

/// The manifest of the snapshot in a folder. Of several the log of the job, in the folder `above`, knows
/// the right one.
async fn find_metadata(uri: &str, objects: &dyn ObjectStore, above: Arc<dyn ObjectStore>) -> Result<String> {
    let found: Vec<String> = objects.list("").await?.into_iter().map(|o| o.path).collect();
    let manifests: Vec<&String> = found.iter().filter(|path| path.starts_with(METADATA)).collect();
    match manifests[..] {
        [] => return Err(nothing_at(uri, &found)),
        [only] => return Ok(only.clone()),
        [..] => {}
    }
    let state = LogReader::new(above, parent(uri)).state(&mut Vec::new()).await?;
    match state.retained.iter().rev().find(|r| parent(&r.path) == base_name(uri)) {
        Some(record) => Ok(base_name(&record.path).to_owned()),
        None => Err(Error::invalid(format!("'{uri}' has several manifests, and no log says which one is complete"))
            .with_hint(format!("Name one of them, as in '{}'.", join(uri, manifests[0])))),
    }
}

fn nothing_at(uri: &str, found: &[String]) -> Error {
    let error = Error::invalid(format!("there is no savepoint or checkpoint at '{uri}'"));
    let checkpoints: Vec<&str> =
        found.iter().filter_map(|p| p.strip_suffix("/_metadata")).filter(|p| !p.contains('/')).collect();
    if found.is_empty() {
        return error.with_detail("There is nothing at this path.");
    }
    if !checkpoints.is_empty() {
        let all = checkpoints.join("', '");
        return error
            .with_detail(format!("It is a folder with snapshots: '{all}'."))
            .with_hint(format!("Name one of them, as in '{}'.", join(uri, checkpoints[checkpoints.len() - 1])));
    }
    let told = found[..found.len().min(NAMES_TOLD_MAX)].join("', '");
    let what = if found.iter().any(|p| p.starts_with(FOLDER)) {
        "It is the folder of a job without a checkpoint"
    } else {
        "It has no '_metadata', so it is no snapshot or was not finished"
    };
    error.with_detail(format!("{what}. There are {} objects, as '{told}'.", found.len()))
}

#[cfg(test)]
mod tests;
