//! Exactly once: rows lie in a table of their own beside the one that is written, until their checkpoint is complete.
//!
//! Why so, and not otherwise: `docs/rfcs/0011-jdbc-exactly-once.md`. The rows that a writer has between two checkpoints are a
//! *part*; its committable names it. A commit moves the rows of all parts of a checkpoint and notes the parts in
//! `flott_commits`, in one transaction: one that is repeated finds its parts noted, and does nothing. Rows are staged under
//! their part and their place in it, so that writing them again behind a lost answer changes nothing either.
//!
//! **State layout.** A committable is JSON: a version, the table where the rows lie, and when they were staged.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int16Array, Int64Array, RecordBatch, StringArray};
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Clock, Environment, Rng};
use flott_api::ids::{CheckpointId, JobId};
use flott_api::sink::{Committable, Committer, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::types::Field;
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::buffer::find_target;
use super::fold::Folded;
use crate::dialect::{Connection, DbColumn, WriteTarget};
use crate::retry::{Attempt, Lasting};

const VERSION: u32 = 1;
/// Where the parts that were committed are noted.
const COMMITS: &str = "flott_commits";
/// So long they are: whoever commits again does so soon, or has been restored from a savepoint.
const NOTED_MS: i64 = 7 * 24 * 3_600_000;
/// Options that do not say what the sink is.
const SECRETS: [&str; 1] = ["password"];

const UPSERT: i16 = 0;
const DELETE: i16 = 1;

/// What tells the parts of a sink from those of others in the same job.
pub(super) fn sink_tag(spec: &SinkSpec) -> u64 {
    let mut spec = spec.clone();
    SECRETS.iter().for_each(|key| drop(spec.options.0.remove(*key)));
    // Debug output is enough: two that differ in anything differ in it, and no other version has to find it again.
    fnv1a(&format!("{spec:?}"))
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What all parts of a sink in a job begin with. Each staged row bears it, so it is short.
fn prefix(job: JobId, tag: u64) -> String {
    format!("{:016x}-", fnv1a(&format!("{job}-{tag:016x}")))
}

/// The parts of one writer.
pub(super) struct Parts {
    prefix: String,
    rng: Arc<dyn Rng>,
    clock: Arc<dyn Clock>,
    /// The open part, if it has rows.
    open: Option<String>,
    /// The place of the next row; goes on over parts.
    place: i64,
    /// Where rows are staged; known when the database is first asked.
    target: Option<WriteTarget>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    version: u32,
    staged: String,
    staged_ms: i64,
}

impl Parts {
    pub(super) fn new(tag: u64, cx: &WriterContext) -> Self {
        let (rng, clock) = (Arc::clone(&cx.environment.rng), Arc::clone(&cx.environment.clock));
        Parts { prefix: prefix(cx.job, tag), rng, clock, open: None, place: 0, target: None }
    }

    fn open(&mut self) -> String {
        let name = || format!("{}{:016x}", self.prefix, self.rng.next_u64());
        self.open.get_or_insert_with(name).clone()
    }

    /// So many rows were staged.
    pub(super) fn written(&mut self, rows: usize) {
        self.place += rows as i64;
    }

    /// Ends the open part; nothing if it has no rows.
    pub(super) fn end(&mut self) -> Result<Option<Committable>> {
        let (Some(id), Some(target)) = (self.open.take(), &self.target) else { return Ok(None) };
        let payload = Payload { version: VERSION, staged: target.table.clone(), staged_ms: self.clock.now_ms() };
        let payload = serde_json::to_vec(&payload);
        let payload = payload.map_err(|e| Error::internal("a committable cannot be written").with_source(e))?;
        Ok(Some(Committable { id, payload: Bytes::from(payload) }))
    }

    /// What removes the rows of the open part.
    pub(super) fn forget(&mut self) -> Option<Forget> {
        let (part, target) = (self.open.take()?, self.target.as_ref()?);
        Some(Forget(format!("DELETE FROM {} WHERE flott_part = '{part}'", target.table)))
    }
}

/// Removes rows.
pub(super) struct Forget(String);

#[async_trait]
impl Attempt for Forget {
    type Output = ();

    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<()> {
        connection.execute(&self.0).await.map(drop)
    }
}

/// One writing of rows into the table of staged rows.
pub(super) struct Staged<'a> {
    shared: &'a Shared,
    target: &'a mut Option<WriteTarget>,
    rows: RecordBatch,
}

impl<'a> Staged<'a> {
    pub(super) fn new(shared: &'a Shared, parts: &'a mut Parts, folded: &Folded) -> Result<Self> {
        let part = parts.open();
        let (upserts, deletes) = (folded.upserts.num_rows(), folded.deletes.num_rows());
        let rows = upserts + deletes;
        let all = concat_batches(&folded.upserts.schema(), [&folded.upserts, &folded.deletes])?;
        let kinds = std::iter::repeat_n(UPSERT, upserts).chain(std::iter::repeat_n(DELETE, deletes));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(part, rows))),
            Arc::new(Int64Array::from_iter_values(parts.place..parts.place + rows as i64)),
            Arc::new(Int16Array::from_iter_values(kinds)),
        ];
        columns.extend_from_slice(all.columns());
        let rows = RecordBatch::try_new(staged_schema(&shared.spec.schema).arrow(), columns)?;
        Ok(Staged { shared, target: &mut parts.target, rows })
    }
}

#[async_trait]
impl Attempt for Staged<'_> {
    type Output = ();

    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<()> {
        let target = match &*self.target {
            Some(target) => target,
            None => {
                let target = find_target(self.shared, connection).await?;
                self.target.insert(staging_of(self.shared, connection, &target).await?)
            }
        };
        connection.upsert(target, &self.rows).await
    }
}

fn staged_schema(schema: &Schema) -> Schema {
    let mut fields = vec![
        Field::new("flott_part", LogicalType::string()),
        Field::new("flott_place", LogicalType::new(TypeKind::BigInt)),
        Field::new("flott_kind", LogicalType::new(TypeKind::SmallInt)),
    ];
    fields.extend(schema.fields.iter().cloned());
    Schema::new(fields)
}

/// The table where rows for a table are staged; makes it unless it is there. Its name tells of which table and columns, so
/// that a table that was changed has another one.
async fn staging_of(shared: &Shared, connection: &mut dyn Connection, target: &WriteTarget) -> Result<WriteTarget> {
    let meaning: Vec<String> = target.columns.iter().map(|c| format!("{} {}", c.quoted, c.ty)).collect();
    let name = format!("flott_staged_{:016x}", fnv1a(&format!("{} {}", target.table, meaning.join(", "))));
    for statement in shared.dialect.staging().create(COMMITS, &name, &target.columns) {
        connection.execute(&statement).await?;
    }
    let own = |name: &str, ty: &str| DbColumn {
        name: name.to_owned(),
        quoted: name.to_owned(),
        ty: ty.to_owned(),
        base: ty.to_owned(),
        nullable: false,
    };
    let mut columns = vec![own("flott_part", "text"), own("flott_place", "bigint"), own("flott_kind", "smallint")];
    columns.extend(target.columns.iter().cloned());
    Ok(WriteTarget { table: name, columns, schema: staged_schema(&target.schema), keys: vec![0, 1] })
}

/// Makes parts visible.
pub(super) struct JdbcCommitter {
    shared: Arc<Shared>,
    connection: Lasting,
    clock: Arc<dyn Clock>,
}

impl JdbcCommitter {
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment) -> Self {
        let options = &shared.options;
        let connection = Lasting::new(shared.dialect, &options.access, environment, options.sink.retries);
        JdbcCommitter { shared, connection, clock: Arc::clone(&environment.clock) }
    }
}

#[async_trait]
impl Committer for JdbcCommitter {
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        let known = committables.iter().map(|c| c.id.clone()).collect();
        let (prefix, now_ms) = (prefix(job, self.shared.tag), self.clock.now_ms());
        let mut recover = Recover { shared: &self.shared, prefix, known, now_ms };
        self.connection.run(&mut recover).await.map_err(|e| e.context(format!("table '{}'", self.shared.spec.table)))
    }

    async fn commit(&mut self, _: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        let mut parts = committables.iter().map(Part::read).collect::<Result<Vec<_>>>()?;
        // Two that commit the same at once wait for each other in the same order.
        parts.sort_by(|a, b| (&a.staged, &a.id).cmp(&(&b.staged, &b.id)));
        for parts in parts.chunk_by(|a, b| a.staged == b.staged) {
            let mut commit = Commit { shared: &self.shared, parts, now_ms: self.clock.now_ms() };
            let context = |e: Error| e.context(format!("a commit to table '{}'", self.shared.spec.table));
            self.connection.run(&mut commit).await.map_err(context)?;
        }
        Ok(())
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        let parts = committables.iter().map(Part::read).collect::<Result<Vec<_>>>()?;
        let mut discard = Discard { parts: &parts };
        let context = |e: Error| e.context(format!("staged rows of table '{}'", self.shared.spec.table));
        self.connection.run(&mut discard).await.map_err(context)
    }
}

/// Removes the rows of parts.
struct Discard<'a> {
    parts: &'a [Part],
}

#[async_trait]
impl Attempt for Discard<'_> {
    type Output = ();

    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<()> {
        for part in self.parts {
            let ids = listed(std::slice::from_ref(&part.id));
            connection.execute(&format!("DELETE FROM {} WHERE flott_part IN ({ids})", part.staged)).await?;
        }
        Ok(())
    }
}

/// Removes the rows of parts that no checkpoint knows, and notes that are too old.
struct Recover<'a> {
    shared: &'a Shared,
    prefix: String,
    known: Vec<String>,
    now_ms: i64,
}

#[async_trait]
impl Attempt for Recover<'_> {
    type Output = ();

    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<()> {
        let target = find_target(self.shared, connection).await?;
        let staging = staging_of(self.shared, connection, &target).await?;
        let mut forget = format!("DELETE FROM {} WHERE flott_part LIKE '{}%'", staging.table, self.prefix);
        if !self.known.is_empty() {
            forget.push_str(&format!(" AND flott_part NOT IN ({})", listed(&self.known)));
        }
        connection.execute(&forget).await?;
        let old = self.now_ms - NOTED_MS;
        connection.execute(&format!("DELETE FROM {COMMITS} WHERE flott_committed_ms < {old}")).await?;
        Ok(())
    }
}

/// `'a', 'b'`: ids of ours need no more than that.
fn listed(ids: &[String]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    quoted.join(", ")
}

/// A part that is to be committed.
#[derive(Clone, Debug)]
struct Part {
    id: String,
    staged: String,
    staged_ms: i64,
}

impl Part {
    fn read(committable: &Committable) -> Result<Self> {
        let damaged = || Error::corrupt(format!("committable '{}' of a jdbc table is damaged", committable.id));
        let payload: Payload = serde_json::from_slice(&committable.payload).map_err(|e| damaged().with_source(e))?;
        // They become part of statements.
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if payload.version != VERSION || !plain(&committable.id) || !plain(&payload.staged) {
            return Err(damaged());
        }
        Ok(Part { id: committable.id.clone(), staged: payload.staged, staged_ms: payload.staged_ms })
    }
}

/// Moves the rows of parts from one table into the other.
struct Commit<'a> {
    shared: &'a Shared,
    /// All in the same table.
    parts: &'a [Part],
    now_ms: i64,
}

#[async_trait]
impl Attempt for Commit<'_> {
    type Output = ();

    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<()> {
        let target = find_target(self.shared, connection).await?;
        connection.execute(self.shared.dialect.staging().begin()).await?;
        let mut new = Vec::new();
        for part in self.parts {
            let values = format!("'{}', '{:016x}', {}", part.id, self.shared.tag, self.now_ms);
            let columns = "flott_part, flott_sink, flott_committed_ms";
            let note = self.shared.dialect.staging().insert_once(COMMITS, columns, &values);
            if connection.execute(&note).await? > 0 {
                new.push(part.clone());
            }
        }
        if !new.is_empty() {
            self.rows_are_there(connection, &new).await?;
            self.move_rows(connection, &target, &new).await?;
        }
        connection.execute("COMMIT").await?;
        Ok(())
    }
}

impl Commit<'_> {
    /// Parts that were never committed must have rows: whoever took them away took them from the user.
    async fn rows_are_there(&self, connection: &mut dyn Connection, new: &[Part]) -> Result<()> {
        let ids: Vec<String> = new.iter().map(|p| p.id.clone()).collect();
        let staged = &new[0].staged;
        let find = format!("SELECT DISTINCT flott_part FROM {staged} WHERE flott_part IN ({})", listed(&ids));
        let found = connection.texts(&find).await?;
        let is_there = |part: &Part| found.iter().any(|row| row.first().and_then(Option::as_ref) == Some(&part.id));
        for part in new.iter().filter(|p| !is_there(p)) {
            if self.now_ms - part.staged_ms < NOTED_MS {
                return Err(Error::external(format!("staged rows '{}' are gone from table {staged}", part.id))
                    .with_detail("They belong to a checkpoint that is complete, and were not committed.")
                    .with_hint("Nothing but Flott may change that table."));
            }
            tracing::warn!(part = part.id, "a part of a checkpoint that is this old is taken as committed");
        }
        Ok(())
    }

    async fn move_rows(&self, connection: &mut dyn Connection, target: &WriteTarget, new: &[Part]) -> Result<()> {
        let ids: Vec<String> = new.iter().map(|p| p.id.clone()).collect();
        let (staged, which) = (&new[0].staged, format!("flott_part IN ({})", listed(&ids)));
        if !target.keys.is_empty() {
            let deletes = format!("SELECT 1 FROM {staged} WHERE {which} AND flott_kind = {DELETE} LIMIT 1");
            if !connection.texts(&deletes).await?.is_empty() {
                connection.execute(&deleting(self.shared, target, staged, &which)).await?;
            }
        }
        connection.execute(&inserting(self.shared, target, staged, &which)).await?;
        connection.execute(&format!("DELETE FROM {staged} WHERE {which}")).await?;
        Ok(())
    }
}

/// What writes staged rows into their table: all of them, or of each key the last one if it is not a deletion.
fn inserting(shared: &Shared, target: &WriteTarget, staged: &str, which: &str) -> String {
    let columns: Vec<String> = target.columns.iter().map(|c| c.quoted.clone()).collect();
    let columns = columns.join(", ");
    let insert = format!("INSERT INTO {} ({columns}) SELECT {columns} FROM", target.table);
    if target.keys.is_empty() {
        return format!("{insert} {staged} WHERE {which} ORDER BY flott_part, flott_place");
    }
    let (keys, others) = target.key_and_others();
    let conflict = shared.dialect.on_conflict(&keys, &others);
    format!("{insert} {} = {UPSERT}{conflict}", last_of_keys(&keys, staged, which))
}

/// What deletes the rows whose keys have a deletion last.
fn deleting(shared: &Shared, target: &WriteTarget, staged: &str, which: &str) -> String {
    let (keys, _) = target.key_and_others();
    let gone = format!("{} = {DELETE}", last_of_keys(&keys, staged, which));
    shared.dialect.staging().delete_found(&target.table, &keys, &gone)
}

/// The last staged row of each key, up to what its kind is.
fn last_of_keys(keys: &[String], staged: &str, which: &str) -> String {
    let key = keys.join(", ");
    format!(
        "(SELECT flott_s.*, ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY flott_place DESC, flott_part) AS flott_rank \
         FROM {staged} AS flott_s WHERE {which}) AS flott_l WHERE flott_rank = 1 AND flott_kind"
    )
}
