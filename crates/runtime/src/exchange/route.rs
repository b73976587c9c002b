//! Which subtask gets which row: forward, hash, rebalance, rescale, pinned and broadcast.
//!
//! Every mark goes to every channel, in its place among that channel's rows; a channel that gets no
//! row of a batch gets the last of its watermarks.

use arrow_array::{ArrayRef, UInt32Array};
use flott_api::key_group::{KeyGroup, hash_keys, hash_of_all, key_group, subtask_of};
use flott_api::{ChangeBatch, Mark, Result, Watermark};
use flott_graph::Partitioning;

use crate::channel::{Element, SizedBatch};

/// Cuts the batches of one edge; `targets` counts the channels of one producing subtask.
#[derive(Debug)]
pub(crate) enum Router {
    /// One channel, or each batch whole to the next channel.
    InTurn { next: usize },
    /// Each batch whole to this channel; the others learn only of time.
    Pinned { target: usize },
    /// By key group.
    Hash(HashRouter),
    /// To all.
    Broadcast,
}

impl Router {
    /// The router of an edge. `start` is the number of the producing subtask: it spreads the first batches.
    pub(crate) fn new(partitioning: &Partitioning, start: usize, targets: usize, max_parallelism: u32) -> Self {
        match partitioning {
            Partitioning::Hash { columns } if targets > 1 => {
                Router::Hash(HashRouter::new(columns.clone(), targets as u32, max_parallelism))
            }
            Partitioning::Pinned => Router::Pinned { target: start % targets.max(1) },
            Partitioning::Broadcast if targets > 1 => Router::Broadcast,
            _ => Router::InTurn { next: start % targets.max(1) },
        }
    }

    /// What goes to which of `targets` channels.
    pub(crate) fn route(&mut self, batch: SizedBatch, targets: usize, out: &mut Vec<(usize, Element)>) -> Result<()> {
        match self {
            Router::InTurn { next } => {
                let target = *next;
                *next = (target + 1) % targets;
                push_whole(batch, target, targets, out);
            }
            Router::Pinned { target } => push_whole(batch, *target, targets, out),
            Router::Hash(router) => router.route(batch, out)?,
            Router::Broadcast => out.extend((0..targets).map(|t| (t, Element::Batch(batch.clone())))),
        }
        Ok(())
    }
}

fn push_whole(batch: SizedBatch, target: usize, targets: usize, out: &mut Vec<(usize, Element)>) {
    push_watermark(batch.batch.last_watermark(), (0..targets).filter(|t| *t != target), out);
    out.push((target, Element::Batch(batch)));
}

fn push_watermark(watermark: Option<Watermark>, targets: impl Iterator<Item = usize>, out: &mut Vec<(usize, Element)>) {
    if let Some(watermark) = watermark {
        out.extend(targets.map(|t| (t, Element::Watermark(watermark))));
    }
}

/// Spreads rows by the key group of some columns.
#[derive(Debug)]
pub(crate) struct HashRouter {
    columns: Vec<usize>,
    max_parallelism: u32,
    /// The subtask of each key group: a look-up instead of a division per row.
    owners: Vec<u32>,
    /// The rows of each target.
    rows: Vec<Vec<u32>>,
}

impl HashRouter {
    /// A router by these columns.
    pub(crate) fn new(columns: Vec<usize>, targets: u32, max_parallelism: u32) -> Self {
        let owner = |group| subtask_of(KeyGroup(group), max_parallelism, targets);
        HashRouter {
            columns,
            max_parallelism,
            owners: (0..max_parallelism).map(owner).collect(),
            rows: vec![Vec::new(); targets as usize],
        }
    }

    fn route(&mut self, batch: SizedBatch, out: &mut Vec<(usize, Element)>) -> Result<()> {
        let keys = self.keys(&batch.batch)?;
        if let Some(target) = self.target_of_all(&keys, batch.batch.len())? {
            push_whole(batch, target, self.rows.len(), out);
            return Ok(());
        }
        self.spread(&keys, batch.batch.len())?;
        for (target, rows) in self.rows.iter_mut().enumerate() {
            if rows.is_empty() {
                push_watermark(batch.batch.last_watermark(), std::iter::once(target), out);
                continue;
            }
            out.push((target, Element::Batch(take(&batch, rows)?)));
        }
        Ok(())
    }

    /// What of a batch goes to one target; the last of its watermarks if it is no row.
    pub(crate) fn own(&mut self, batch: &SizedBatch, target: usize) -> Result<Option<Element>> {
        let keys = self.keys(&batch.batch)?;
        self.spread(&keys, batch.batch.len())?;
        if self.rows[target].is_empty() {
            return Ok(batch.batch.last_watermark().map(Element::Watermark));
        }
        take(batch, &mut self.rows[target]).map(|batch| Some(Element::Batch(batch)))
    }

    fn keys(&self, batch: &ChangeBatch) -> Result<Vec<ArrayRef>> {
        self.columns.iter().map(|c| batch.column(*c)).collect()
    }

    /// Where all rows go, if that is seen at once.
    fn target_of_all(&self, keys: &[ArrayRef], rows: usize) -> Result<Option<usize>> {
        let hash = hash_of_all(keys, rows)?;
        Ok(hash.map(|hash| self.owner(hash) as usize))
    }

    fn owner(&self, hash: u64) -> u32 {
        self.owners[key_group(hash, self.max_parallelism).0 as usize]
    }

    /// Fills `rows`.
    fn spread(&mut self, keys: &[ArrayRef], count: usize) -> Result<()> {
        let expected = count / self.rows.len();
        for rows in &mut self.rows {
            rows.clear();
            rows.reserve(expected + expected / 4);
        }
        for (row, hash) in hash_keys(keys, count)?.into_iter().enumerate() {
            let owner = self.owner(hash) as usize;
            self.rows[owner].push(row as u32);
        }
        Ok(())
    }
}

/// These rows (rising) with the marks between them.
fn take(whole: &SizedBatch, rows: &mut Vec<u32>) -> Result<SizedBatch> {
    let batch = &whole.batch;
    if rows.len() == batch.len() {
        return Ok(whole.clone());
    }
    let bytes = whole.bytes * rows.len() / batch.len();
    let mut marks: Vec<Mark> = Vec::with_capacity(batch.marks().len());
    for mark in batch.marks() {
        let row = rows.partition_point(|r| *r < mark.row) as u32;
        match marks.last_mut() {
            Some(last) if last.row == row => last.watermark = mark.watermark,
            _ => marks.push(Mark { row, watermark: mark.watermark }),
        }
    }
    let taken = batch.take(&UInt32Array::from(std::mem::take(rows)))?;
    Ok(SizedBatch { batch: taken.with_marks(marks)?, bytes })
}

/// Which subtasks an edge connects, as (producer, consumer), ordered by both.
pub(crate) fn connections(partitioning: &Partitioning, from: u32, to: u32) -> Vec<(u32, u32)> {
    match partitioning {
        Partitioning::Forward | Partitioning::Rescale => pointwise(from, to),
        Partitioning::Hash { .. } | Partitioning::Rebalance | Partitioning::Pinned | Partitioning::Broadcast => {
            (0..from).flat_map(|f| (0..to).map(move |t| (f, t))).collect()
        }
    }
}

/// Groups of neighbours, as Flink's pointwise edges: each consumer has one producer, or each
/// producer one consumer.
fn pointwise(from: u32, to: u32) -> Vec<(u32, u32)> {
    if from <= to {
        let mut pairs: Vec<_> = (0..to).map(|t| ((u64::from(t) * u64::from(from) / u64::from(to)) as u32, t)).collect();
        pairs.sort_unstable();
        return pairs;
    }
    (0..to)
        .flat_map(|t| {
            let begin = |t: u32| (u64::from(t) * u64::from(from) / u64::from(to)) as u32;
            (begin(t)..begin(t + 1)).map(move |f| (f, t))
        })
        .collect()
}

#[cfg(test)]
mod tests;
