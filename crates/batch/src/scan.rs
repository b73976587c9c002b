//! A connector's bounded source as a stream of rows: all of its splits, read by one reader.

use arrow_schema::SchemaRef;
use datafusion_common::Result;
use flott_api::ids::Subtask;
use flott_api::source::{ReadEvent, ReaderContext, Source, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{ChangeBatch, Error, RowKind};
use futures::stream;

use crate::columns::relabelled;
use crate::error::carried;
use crate::exec::RowStream;

/// A table at work.
struct Scan {
    table: String,
    enumerator: Box<dyn SplitEnumerator>,
    reader: Box<dyn SplitReader>,
    /// Splits that the reader holds.
    open: usize,
    /// Whether there may be more.
    more: bool,
    schema: SchemaRef,
}

/// The rows of a source. Records that its format skips are counted where the whole query's are.
///
/// # Errors
/// If the source cannot be read.
pub(crate) fn rows(
    source: &dyn Source,
    spec: &SourceSpec,
    schema: SchemaRef,
    cx: &ReaderContext,
) -> flott_api::Result<RowStream> {
    let cx = ReaderContext { subtask: Subtask { index: 0, parallelism: 1 }, ..cx.clone() };
    let scan = Scan {
        table: spec.table.clone(),
        enumerator: source.enumerator(&cx.environment, None)?,
        reader: source.reader(cx)?,
        open: 0,
        more: true,
        schema,
    };
    Ok(Box::pin(stream::try_unfold(scan, |mut scan| async move {
        let batch = scan.next().await.map_err(carried)?;
        let Some(batch) = batch else { return Ok(None) };
        let rows: Result<_> = relabelled(&scan.schema, batch.rows());
        rows.map(|rows| Some((rows, scan)))
    })))
}

impl Scan {
    async fn next(&mut self) -> flott_api::Result<Option<ChangeBatch>> {
        loop {
            if self.open == 0 {
                if !self.more {
                    return Ok(None);
                }
                let found = self.enumerator.discover().await?;
                self.more = !found.finished;
                self.open = found.splits.len();
                self.reader.add_splits(found.splits)?;
                continue;
            }
            match self.reader.next().await? {
                ReadEvent::Batch { batch, .. } if batch.is_empty() => {}
                ReadEvent::Batch { batch, .. } => return self.inserted(batch).map(Some),
                ReadEvent::Finished { .. } => self.open -= 1,
            }
        }
    }

    /// The planner has seen that the source only inserts.
    fn inserted(&self, batch: ChangeBatch) -> flott_api::Result<ChangeBatch> {
        match batch.kinds() {
            Some(kinds) if kinds.iter().any(|kind| kind != RowKind::Insert) => {
                Err(Error::internal(format!("table '{}' gave a change in batch mode", self.table)))
            }
            _ => Ok(batch),
        }
    }
}
