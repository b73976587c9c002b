//! Which sessions the rows of a batch belong to, and when those are over: what the two operators over sessions
//! share.
//!
//! A session has one timer, set when it begins. When rows make it longer the timer stays: it fires where the
//! session would have ended, and is set again then. So a row costs no timer. A timer's payload is the encoded key.

use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use bytes::Bytes;
use flott_api::key_group::{hash_keys, key_group};
use flott_api::operator::{OperatorContext, TimeDomain, Timer};
use flott_api::{ChangeBatch, Error, Result, Schema, Watermark};
use flott_graph::spec::{WindowKind, WindowTime};
use flott_state::hot::{KeyedState, PartedEntries, Session, Sessions};
use flott_state::key::{EncodedKeys, decode};

use super::time::WallClock;
use super::windows::{check_time, due_ms, times};

/// Cuts time into sessions.
pub(crate) struct SessionWindows {
    time: WindowTime,
    gap_ms: i64,
    clock: WallClock,
    keys: Vec<usize>,
    key_types: Vec<DataType>,
    max_parallelism: u32,
}

/// Rows that can be folded together, and what must be done behind them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// The rows.
    pub(crate) rows: Vec<u32>,
    /// The slot of each.
    pub(crate) slots: Vec<u32>,
    /// A slot whose contents go into another one: from, into.
    pub(crate) merged: Option<(u32, u32)>,
}

/// A session that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) group: u32,
    pub(crate) session: Session,
}

impl SessionWindows {
    /// The sessions of a specification.
    ///
    /// # Errors
    /// If they are no sessions, or those of other keys.
    pub(crate) fn new(input: &Schema, time: &WindowTime, kind: &WindowKind, zone: &str) -> Result<Self> {
        check_time(input, time)?;
        let WindowKind::Session { gap_ms, keys } = kind else {
            return Err(Error::internal("windows that are no sessions came to an operator over sessions"));
        };
        if matches!(time, WindowTime::Attached(_)) {
            return Err(Error::unsupported("sessions over rows that come with their window"));
        }
        if *gap_ms <= 0 {
            return Err(Error::invalid("a session window has no gap")
                .with_detail(format!("Its gap must be positive, but is {gap_ms} ms.")));
        }
        if keys.iter().any(|k| *k >= input.len()) {
            return Err(Error::internal("a key of a session does not exist"));
        }
        Ok(SessionWindows {
            time: time.clone(),
            gap_ms: *gap_ms,
            clock: WallClock::new(zone)?,
            keys: keys.clone(),
            key_types: keys.iter().map(|k| input.fields[*k].ty.arrow()).collect(),
            max_parallelism: 1,
        })
    }

    /// Learns how many key groups there are.
    pub(crate) fn open(&mut self, max_parallelism: u32) {
        self.max_parallelism = max_parallelism;
    }

    /// The zone's clock.
    pub(crate) fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// Which input columns are the key.
    pub(crate) fn key_columns(&self) -> &[usize] {
        &self.keys
    }

    /// The key columns of a batch.
    pub(crate) fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    /// The time of each row; null where it has none.
    pub(crate) fn times(&self, batch: &ChangeBatch, now_ms: i64) -> Result<Int64Array> {
        times(&self.time, &self.clock, batch.rows(), now_ms)
    }

    fn is_event_time(&self) -> bool {
        self.time != WindowTime::Proctime
    }

    /// The session that a moment alone makes.
    fn bounds(&self, time_ms: i64) -> (i64, i64) {
        (time_ms, time_ms.saturating_add(self.gap_ms))
    }

    /// Puts rows into sessions, in their order, and sets the timers of those that begin. The groups are those of
    /// the keys, touched. A row is late if a session of it alone would be over; it is left out and counted.
    pub(crate) fn place<E: PartedEntries>(
        &self,
        (batch, groups): (&ChangeBatch, &[u32]),
        sessions: &mut Sessions<E>,
        cx: &mut OperatorContext<'_>,
    ) -> Result<Vec<Run>> {
        let times = self.times(batch, cx.processing_time_ms)?;
        let watermark = if self.is_event_time() { cx.watermark } else { Watermark::MIN };
        let (mut runs, mut run, mut begun, mut late) = (Vec::new(), Run::default(), Vec::new(), 0);
        for (row, (time_ms, group)) in times.values().iter().zip(groups).enumerate() {
            let (start_ms, end_ms) = self.bounds(*time_ms);
            let slot = match sessions.join(*group, start_ms, end_ms) {
                Some(placed) => {
                    if let Some(from) = placed.absorbed {
                        run.merged = Some((from, placed.slot));
                        runs.push(std::mem::take(&mut run));
                    }
                    placed.slot
                }
                None => {
                    let timer_ms = due_ms(&self.clock, end_ms)?;
                    if timer_ms <= watermark.0 {
                        late += 1;
                        continue;
                    }
                    begun.push((row as u32, timer_ms));
                    sessions.begin(*group, start_ms, end_ms, timer_ms)
                }
            };
            run.rows.push(row as u32);
            run.slots.push(slot);
        }
        runs.push(run);
        cx.metrics.num_late_records_dropped.add(late);
        self.set_timers(&self.keys(batch), &begun, cx)?;
        Ok(runs)
    }

    /// Sets timers for the keys of these rows.
    fn set_timers(&self, keys: &[ArrayRef], at: &[(u32, i64)], cx: &mut OperatorContext<'_>) -> Result<()> {
        if at.is_empty() {
            return Ok(());
        }
        let rows: UInt32Array = at.iter().map(|(row, _)| Some(*row)).collect();
        let keys = keys.iter().map(|k| take(k, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        let hashes = hash_keys(&keys, at.len())?;
        let mut encoded = EncodedKeys::default();
        encoded.encode(&keys, at.len())?;
        let domain = if self.is_event_time() { TimeDomain::Event } else { TimeDomain::Processing };
        for (place, (_, at_ms)) in at.iter().enumerate() {
            let key_group = Some(key_group(hashes[place], self.max_parallelism));
            let payload = Bytes::copy_from_slice(encoded.get(place));
            cx.timers.register(Timer { at_ms: *at_ms, domain, key_group, payload });
        }
        Ok(())
    }

    /// The sessions that are over at these timers, ended, in order of the timers; the others get new timers. The
    /// contents of those that are over are still in their slots. Also the groups of all timers, each once.
    pub(crate) async fn over<E: PartedEntries>(
        &self,
        timers: &[Timer],
        state: &mut KeyedState<Sessions<E>>,
        cx: &mut OperatorContext<'_>,
    ) -> Result<(Vec<Over>, Vec<u32>)> {
        let payloads: Vec<&[u8]> = timers.iter().map(|t| &*t.payload).collect();
        let keys = decode(&self.key_types, &payloads)?;
        let groups = state.assign(&keys, timers.len(), cx.processing_time_ms).await?;
        state.touch(&groups)?;
        let (mut over, mut again) = (Vec::new(), Vec::new());
        for (row, (timer, group)) in timers.iter().zip(&groups).enumerate() {
            let group = *group;
            let sessions = state.entries_mut();
            let due: Vec<Session> = sessions.of(group).iter().filter(|s| s.timer_ms <= timer.at_ms).copied().collect();
            for session in due {
                let timer_ms = due_ms(&self.clock, session.end_ms)?;
                if timer_ms <= timer.at_ms {
                    sessions.end(group, session.start_ms);
                    over.push(Over { group, session });
                } else {
                    sessions.set_timer(group, session.start_ms, timer_ms);
                    again.push((row as u32, timer_ms));
                }
            }
        }
        self.set_timers(&keys, &again, cx)?;
        Ok((over, each_once(groups)))
    }
}

/// Each group once.
pub(crate) fn each_once(mut groups: Vec<u32>) -> Vec<u32> {
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Forgets sessions that are over.
pub(crate) fn release<E: PartedEntries>(sessions: &mut Sessions<E>, over: &[Over]) {
    over.iter().for_each(|over| sessions.release(over.session.slot));
}

/// Forgets keys without a session: those of which all rows were late, or whose last one is over. The groups are
/// touched; none comes twice.
pub(crate) fn forget_empty<E: PartedEntries>(state: &mut KeyedState<Sessions<E>>, groups: &[u32]) -> Result<()> {
    let empty = groups.iter().filter(|group| state.entries().of(**group).is_empty());
    let empty: Vec<u32> = empty.copied().collect();
    empty.into_iter().try_for_each(|group| state.remove(group))
}
