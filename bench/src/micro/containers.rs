//! Containers of hot state, each alone. What lies within another one is measured there: `RowChunks` in lists of rows, the value
//! table in views of distinct values, a region in keyed state.

mod input;

use arrow_schema::DataType;
use bytes::Bytes;
use flott_api::key_group::KeyGroup;
use flott_api::operator::{TimeDomain, Timer, Timers};
use flott_api::state::KeyedContainer;
use flott_api::{BoxFuture, Result};
use flott_state::hot::{
    By, DistinctRows, DistinctShape, GroupEntries, GroupTable, KeyedState, KeyedStateOptions, MapViewOptions, NO_ROW,
    RowIdentity, RowLists, RowMultiMap, RowMultiMapOptions, RowStore, Sessions, SortedRows, TimerQueue, TtlOptions,
    WindowedState, distinct_view, sorted_view,
};
use flott_state::key::KeyOrder;

use self::input::{FEW, Input, K, LINE, NAME, TURN, V, W, Watch};
use super::rows::KEYS;
use super::world::World;
use super::{BATCHES, ROUNDS, Round, line};

/// Does something with all rows of the input, once.
type Work = for<'a> fn(&'a World, &'a Input) -> BoxFuture<'a, Result<Round>>;

/// Nothing expires.
const NO_TIME_MS: i64 = 0;
/// The rank behind which a row is dropped.
const TOP: usize = 10;
/// Batches of a window.
const WINDOW_BATCHES: usize = 8;
const GAP_MS: i64 = 5_000;
/// Entries that are written at once in a checkpoint.
const DRAINED_TOGETHER: usize = 1024;

/// Its name, and what is measured of it.
#[rustfmt::skip]
const CONTAINERS: &[(&str, Work)] = &[
    ("group table: BIGINT", |_, i| done(assign(i, &[K]))),
    ("group table: BIGINT, nearly all new", |_, i| done(assign(i, &[W]))),
    ("group table: STRING", |_, i| done(assign(i, &[NAME]))),
    ("group table: BIGINT, STRING", |_, i| done(assign(i, &[FEW, NAME]))),
    ("group table: find a BIGINT", |_, i| done(find(i))),
    ("keyed state: put a row", |w, i| Box::pin(put(w, i, false))),
    ("keyed state: write an entry for a checkpoint", |w, i| Box::pin(put(w, i, true))),
    ("windowed state: append a row", |w, i| Box::pin(windows(w, i))),
    ("row lists: append a row", |_, i| done(lists(i, false))),
    ("row lists: read a row of a group", |_, i| done(lists(i, true))),
    ("row multimap: add a row", |_, i| done(multimap(i, RowIdentity::None, Then::Nothing))),
    ("row multimap: add a row that is counted", |_, i| done(multimap(i, RowIdentity::WholeRow, Then::Nothing))),
    ("row multimap: retract a row", |_, i| done(multimap(i, RowIdentity::WholeRow, Then::Retract))),
    ("row multimap: read a row of a group", |_, i| done(multimap(i, RowIdentity::None, Then::Read))),
    ("sorted rows: insert a row", |_, i| done(sorted(i, None))),
    ("sorted rows: a row to the first 10", |_, i| done(sorted(i, Some(TOP)))),
    ("timers: register", |w, i| Box::pin(timers(w, i, false))),
    ("timers: take one that is due", |w, i| Box::pin(timers(w, i, true))),
    ("distinct view: BIGINT, once", |_, i| done(distinct(i, W, false))),
    ("distinct view: BIGINT, counted", |_, i| done(distinct(i, W, true))),
    ("distinct view: STRING, once", |_, i| done(distinct(i, NAME, false))),
    ("sorted view: BIGINT", |_, i| done(values(i))),
    ("sessions: place a row", |_, i| done(sessions(i))),
];

/// Of what needs no store, and so never waits.
fn done(round: Result<Round>) -> BoxFuture<'static, Result<Round>> {
    Box::pin(std::future::ready(round))
}

/// Measures the containers with this in their name, and says how many there are.
pub(super) async fn measure(world: &World, name: &str, print: impl Fn(&str) -> Result<()>) -> Result<usize> {
    let chosen: Vec<_> = CONTAINERS.iter().filter(|(container, _)| container.contains(name)).collect();
    if chosen.is_empty() {
        return Ok(0);
    }
    let input = Input::new(BATCHES)?;
    for (container, work) in &chosen {
        let mut rounds = Vec::new();
        for _ in 0..=ROUNDS {
            rounds.push(work(world, &input).await?);
        }
        print(&line(container, &rounds))?;
    }
    Ok(chosen.len())
}

fn assign(input: &Input, key: &[usize]) -> Result<Round> {
    let mut table = GroupTable::new(input.types(key))?;
    let watch = Watch::start()?;
    for batch in &input.batches {
        table.assign(&Input::columns(batch, key), batch.num_rows())?;
    }
    watch.stop(input.rows(), table.len() as u64)
}

fn find(input: &Input) -> Result<Round> {
    let mut table = GroupTable::new(input.types(&[K]))?;
    for batch in &input.batches[..input.batches.len() / 2] {
        table.assign(&Input::columns(batch, &[K]), batch.num_rows())?;
    }
    let (watch, mut found) = (Watch::start()?, 0);
    for batch in &input.batches {
        found += table.find(&Input::columns(batch, &[K]), batch.num_rows())?.iter().flatten().count();
    }
    watch.stop(input.rows(), found as u64)
}

fn options() -> KeyedStateOptions {
    let (name, ty) = ("measured".to_owned(), "measured".to_owned());
    KeyedStateOptions {
        keys: vec![flott_api::LogicalType::new(flott_api::TypeKind::BigInt)],
        parts: vec![flott_api::state::StatePart { name: name.clone(), ty }],
        name,
        ttl: TtlOptions::default(),
    }
}

/// Keys come in turn, so none comes twice in a batch.
async fn put(world: &World, input: &Input, is_checkpoint: bool) -> Result<Round> {
    let columns = [V, LINE];
    let mut state = KeyedState::open(&world.context()?, &options(), RowStore::new(input.schema(&columns)))?;
    let mut watch = Watch::start()?;
    for batch in &input.batches {
        let groups = state.assign(&Input::columns(batch, &[TURN]), batch.num_rows(), NO_TIME_MS).await?;
        state.touch(&groups)?;
        state.entries_mut().put(groups, batch.project(&columns)?)?;
    }
    if !is_checkpoint {
        return watch.stop(input.rows(), state.len() as u64);
    }
    watch = Watch::start()?;
    state.close_epoch();
    while !state.drain(DRAINED_TOGETHER).await? {}
    watch.stop(state.len() as u64, 0)
}

async fn windows(world: &World, input: &Input) -> Result<Round> {
    let columns = [V, LINE];
    let mut state = WindowedState::open(&world.context()?, &options(), RowLists::new(input.schema(&columns)))?;
    let watch = Watch::start()?;
    for (number, batch) in input.batches.iter().enumerate() {
        let window = (number / WINDOW_BATCHES) as i64;
        state.begin(window)?;
        let groups = state.assign(window, &Input::columns(batch, &[K]), batch.num_rows(), NO_TIME_MS).await?;
        state.entries_mut(window)?.append(&groups, batch.project(&columns)?)?;
    }
    watch.stop(input.rows(), state.windows().count() as u64)
}

fn lists(input: &Input, is_read: bool) -> Result<Round> {
    let columns = [V, LINE];
    let mut lists = RowLists::new(input.schema(&columns));
    let mut watch = Watch::start()?;
    for (batch, groups) in input.batches.iter().zip(&input.groups) {
        lists.append(groups, batch.project(&columns)?)?;
    }
    if !is_read {
        return watch.stop(input.rows(), 0);
    }
    watch = Watch::start()?;
    let mut rows = 0;
    for groups in input.all_groups().chunks(input::GROUPS_TOGETHER) {
        let numbers: Vec<u32> = groups.iter().flat_map(|group| lists.list(*group)).copied().collect();
        rows += lists.rows(&numbers)?.num_rows();
    }
    watch.stop(rows as u64, rows as u64)
}

/// What is measured once all rows are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Retract,
    Read,
}

fn multimap(input: &Input, identity: RowIdentity, then: Then) -> Result<Round> {
    let columns = [V, LINE];
    let schema = input.schema(&columns);
    let mut map = RowMultiMap::new(RowMultiMapOptions { schema, identity, tagged: false, timed: false, ttl_ms: 0 });
    map.grow(input.groups_end);
    let mut watch = Watch::start()?;
    for (batch, groups) in input.batches.iter().zip(&input.groups) {
        let mut adding = map.adding(&batch.project(&columns)?)?;
        for (row, group) in groups.iter().enumerate() {
            adding.add(*group, row, 0, NO_TIME_MS);
        }
        adding.finish()?;
    }
    if then == Then::Nothing {
        return watch.stop(input.rows(), 0);
    }
    watch = Watch::start()?;
    let mut rows = 0;
    if then == Then::Retract {
        for (batch, groups) in input.batches.iter().zip(&input.groups) {
            let mut adding = map.adding(&batch.project(&columns)?)?;
            rows += groups.iter().enumerate().filter(|(row, group)| adding.retract(**group, *row, NO_TIME_MS)).count();
            adding.finish()?;
        }
        return watch.stop(input.rows(), rows as u64);
    }
    for groups in input.all_groups().chunks(input::GROUPS_TOGETHER) {
        let mut numbers = Vec::new();
        for group in groups {
            let mut row = map.first(*group);
            while row != NO_ROW {
                numbers.push(row);
                row = map.next(row);
            }
        }
        rows += numbers.len();
        map.columns(&numbers)?;
    }
    watch.stop(rows as u64, rows as u64)
}

/// Groups of some rows, or few groups of which only the first rows stay.
fn sorted(input: &Input, top: Option<usize>) -> Result<Round> {
    let columns = [W, LINE];
    let order = vec![(0, KeyOrder { descending: true, nulls_last: true })];
    let mut rows = SortedRows::new(input.schema(&columns), order)?;
    rows.grow(input.groups_end);
    let watch = Watch::start()?;
    let mut kept = 0;
    for (batch, groups) in input.batches.iter().zip(if top.is_some() { &input.few_groups } else { &input.groups }) {
        rows.begin(&batch.project(&columns)?)?;
        for (row, group) in groups.iter().enumerate() {
            if top.is_some_and(|top| rows.len(*group) >= top && !rows.is_before_last(*group, row)) {
                continue;
            }
            rows.insert(*group, row)?;
            kept += 1;
            if let Some(top) = top.filter(|top| rows.len(*group) > *top) {
                rows.truncate(*group, top);
            }
        }
    }
    watch.stop(input.rows(), kept)
}

async fn timers(world: &World, input: &Input, is_due: bool) -> Result<Round> {
    let mut queue = TimerQueue::open(&world.context()?).await?;
    let mut watch = Watch::start()?;
    for (batch, groups) in input.batches.iter().zip(&input.groups) {
        for (at_ms, group) in Input::times(batch)?.iter().zip(groups) {
            let payload = Bytes::copy_from_slice(&group.to_be_bytes());
            let key_group = Some(KeyGroup(*group % 128));
            queue.register(Timer { at_ms: *at_ms, domain: TimeDomain::Event, key_group, payload });
        }
    }
    let timers = queue.len() as u64;
    if !is_due {
        return watch.stop(input.rows(), timers);
    }
    watch = Watch::start()?;
    let mut taken = 0;
    while !queue.is_empty() {
        taken += queue.take_due(TimeDomain::Event, i64::MAX, flott_api::BATCH_ROWS_MAX).len() as u64;
    }
    watch.stop(taken, taken)
}

fn distinct(input: &Input, column: usize, counted: bool) -> Result<Round> {
    let shape = DistinctShape { ty: input.types(&[column]).remove(0), nulls: false, filters: 1, counted };
    let mut view = distinct_view(&shape, MapViewOptions { retract: counted, ttl_ms: 0 })?;
    let watch = Watch::start()?;
    let (filters, mut new) = (vec![1; flott_api::BATCH_ROWS_MAX], 0);
    for (batch, groups) in input.batches.iter().zip(&input.few_groups) {
        let by = By::Rows(&filters[..groups.len()], None);
        let changed = view.count(&DistinctRows { values: batch.column(column), groups, by }, NO_TIME_MS)?;
        new += changed.under(0).iter().filter(|change| **change == flott_api::aggregate::Change::Add).count();
    }
    watch.stop(input.rows(), new as u64)
}

fn values(input: &Input) -> Result<Round> {
    let mut view = sorted_view(&DataType::Int64)?;
    let watch = Watch::start()?;
    for (batch, groups) in input.batches.iter().zip(&input.groups) {
        let args = [batch.column(V).clone()];
        view.fold(&flott_api::aggregate::AggregateInput { args: &args, groups, changes: None })?;
    }
    watch.stop(input.rows(), KEYS)
}

/// Where rows belong by time, without what is kept of them.
fn sessions(input: &Input) -> Result<Round> {
    let mut sessions = Sessions::new(RowLists::new(input.schema(&[V])));
    sessions.grow(input.groups_end);
    let (watch, mut begun) = (Watch::start()?, 0);
    for (batch, groups) in input.batches.iter().zip(&input.groups) {
        for (at_ms, group) in Input::times(batch)?.iter().zip(groups) {
            let end_ms = at_ms + GAP_MS;
            match sessions.join(*group, *at_ms, end_ms) {
                None => {
                    sessions.begin(*group, *at_ms, end_ms, end_ms);
                    begun += 1;
                }
                Some(placed) => placed.absorbed.into_iter().for_each(|slot| sessions.release(slot)),
            }
        }
    }
    watch.stop(input.rows(), begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_does_something() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = std::env::temp_dir().join(format!("flott-bench-containers-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let (world, input) = (World::new(&folder).unwrap(), Input::new(2).unwrap());
            std::fs::remove_dir_all(&folder).unwrap();
            for (name, work) in CONTAINERS {
                let round = work(&world, &input).await.unwrap();
                assert!(round.rows > 0, "{name}: {round:?}");
            }
        });
    }
}
