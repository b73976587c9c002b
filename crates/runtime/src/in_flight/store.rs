//! Stores what was under way, piece by piece: in the manifest if it is small, else in a file of the checkpoint.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Clock;
use flott_api::ids::CheckpointId;
use flott_api::object::{ObjectStore, PutMode};
use flott_api::{Error, Result};
use flott_state::checkpoint::manifest::{InFlightPlace, InFlightSnapshot};
use flott_state::checkpoint::{RetryingObjects, in_flight};
use tokio::sync::mpsc;

use super::{InFlight, codec};

/// What has become of the rows under way of a checkpoint.
pub(crate) struct StoredRows {
    /// What is stored.
    pub(crate) pieces: Vec<InFlightSnapshot>,
    /// Nothing if the last piece never came, because the checkpoint was given up.
    pub(crate) ended: Option<Result<()>>,
}

impl StoredRows {
    /// Their files.
    pub(crate) fn files(&self) -> impl Iterator<Item = String> {
        self.pieces.iter().filter_map(|p| p.file().map(str::to_owned))
    }
}

/// Where the rows under way of a subtask go.
#[derive(Clone)]
pub(crate) struct InFlightStore {
    objects: Arc<dyn ObjectStore>,
    /// What the paths of its files begin with; its own in this attempt.
    prefix: String,
    /// Up to this size they lie in the manifest.
    inline_bytes_max: usize,
}

impl InFlightStore {
    pub(crate) fn new(
        objects: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        prefix: String,
        inline_bytes_max: usize,
    ) -> Self {
        InFlightStore { objects: RetryingObjects::new(objects, clock), prefix, inline_bytes_max }
    }

    /// Stores pieces as they come, until the last one.
    pub(crate) async fn put_all(&self, mut pieces: mpsc::Receiver<InFlight>) -> StoredRows {
        let mut stored = StoredRows { pieces: Vec::new(), ended: None };
        while let Some(rows) = pieces.recv().await {
            let last = rows.last;
            match self.put(rows, stored.pieces.len()).await {
                Ok(piece) => stored.pieces.extend(piece),
                Err(error) => stored.ended = Some(Err(error)),
            }
            if last && stored.ended.is_none() {
                stored.ended = Some(Ok(()));
            }
            if stored.ended.is_some() {
                break;
            }
        }
        stored
    }

    /// Gives nothing if neither rows nor watermarks are in it.
    async fn put(&self, rows: InFlight, number: usize) -> Result<Option<InFlightSnapshot>> {
        if rows.channels.iter().all(|c| c.elements.is_empty()) {
            return Ok(None);
        }
        let mut written = None;
        let bytes = in_flight::encode(|out| {
            written = Some(codec::put(&rows.channels, out)?);
            Ok(())
        })?;
        let (edges, count) = written.ok_or_else(|| Error::internal("rows under way were not encoded"))?;
        let checkpoint = rows.checkpoint;
        // While the bytes are being written, the batches are not needed any more.
        drop(rows);
        let length = bytes.len() as u64;
        let place = self.place(checkpoint, number, bytes).await?;
        Ok(Some(InFlightSnapshot { edges: edges.into_vec(), rows: count, bytes: length, place }))
    }

    async fn place(&self, checkpoint: CheckpointId, number: usize, bytes: Bytes) -> Result<InFlightPlace> {
        if bytes.len() <= self.inline_bytes_max {
            return Ok(InFlightPlace::Inline(bytes));
        }
        let path = format!("{}rows-{}-{number}", self.prefix, checkpoint.0);
        let context = |e: Error| e.context(format_args!("rows under way cannot be written to '{path}'"));
        // Nobody else has this name: whatever is there was written by a try that got no answer.
        self.objects.put(&path, bytes.clone(), PutMode::Overwrite).await.map_err(context)?;
        Ok(in_flight::in_file(path, &bytes))
    }
}
