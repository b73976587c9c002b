//! Windows that share slices: the running state of a window, which slices enter and leave.
//!
//! What could be done instead, and why it is not: Flink merges all slices of a window for each key whenever it
//! fires, 3600 for an hour by a second. Two stacks of merged slices would need one merge a slice and nothing but
//! an aggregate that can be merged, but they hold every set of distinct values as often as there are slices, and
//! all slices are written anew when a stack is turned over. Here a slice costs two merges, one when it enters and
//! one when it leaves, whatever the length of the window, and of each key there is one state beside its slices.
//! That needs aggregates that give back what they took up: [`crate::aggregate::sliding`] makes one of each.
//!
//! What the running state has can be made anew from the slices, so a checkpoint has it only where it is small beside
//! them ([`worth`]): of keys that come once in a window it would be as large, and written twice as often.
//!
//! Windows that grow never give anything back. A slice becomes a part of the window and is gone.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::aggregate::MergeInput;
use flott_api::operator::OpenContext;
use flott_api::state::{KeyedContainer, Redistribution, StateStore};
use flott_api::{Error, Result};
use flott_graph::spec::WindowAggregateSpec;
use flott_state::codec::take_i64;
use flott_state::hot::{MapViewOptions, TtlOptions, WindowedState};

use super::progress::{Keyed, Progress};
use super::worth::Worth;
use crate::aggregate::groups::{Groups, Plan};
use crate::window::Windows;
use crate::window::walk::{Part, Walk};

/// Name of the state, and of the list of windows that grow.
const RUNNING: &str = "running";
/// Name of the list that says how far each key group has come.
const PROGRESS: &str = "progress";
/// Name of the list that says of each subtask whether the state of the window that slides is whole.
const WHOLE: &str = "whole";
/// The one window that slides.
const SLIDING: i64 = 0;

/// See the module.
pub(super) struct Running {
    /// Of the running state.
    plan: Plan,
    slides: bool,
    /// Is there from `open` on, as is the progress.
    running: Option<WindowedState<Groups>>,
    progress: Option<Progress>,
    worth: Worth,
    /// Whether it must be made anew from the slices before anybody looks.
    is_stale: bool,
}

impl Running {
    /// The running state for slices that have the state of `slice`.
    ///
    /// # Errors
    /// If an aggregate cannot be merged.
    pub(super) fn new(
        spec: &WindowAggregateSpec,
        windows: &Windows,
        slice: &Plan,
        options: MapViewOptions,
    ) -> Result<Self> {
        slice.check_merges(&spec.aggregates)?;
        let slides = windows.aligned().slides();
        let plan = if slides { Plan::sliding } else { Plan::sliced };
        let plan = plan(&spec.input, &spec.keys, &spec.aggregates, options)?;
        Ok(Running { plan, slides, running: None, progress: None, worth: Worth::default(), is_stale: false })
    }

    /// Declares the state.
    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let options = self.plan.state(RUNNING, TtlOptions::default());
        self.running = Some(WindowedState::open(cx, &options, self.plan.groups()?)?);
        self.progress = Some(Progress::new(cx));
        Ok(())
    }

    /// Takes up the checkpoint; the ends of the windows that grow.
    pub(super) fn restore(&mut self, store: &dyn StateStore) -> Result<Vec<i64>> {
        if let Some(items) = store.list(PROGRESS) {
            self.progress_mut()?.restore(&items)?;
        }
        if self.slides {
            self.restore_sliding(store)?;
            return Ok(Vec::new());
        }
        let items = store.list(RUNNING).unwrap_or_default();
        let ends = items.iter().map(|item| take_i64(&mut &item[..])).collect::<Result<Vec<_>>>()?;
        for end_ms in &ends {
            self.running()?.restore(*end_ms)?;
        }
        Ok(ends)
    }

    /// What some subtask has not kept is made anew by all: which of them it was for a key is not known any more.
    fn restore_sliding(&mut self, store: &dyn StateStore) -> Result<()> {
        if store.list(WHOLE).is_some_and(|items| items.iter().all(|item| item[..] == [1])) {
            self.worth = Worth::restored(self.progress()?.last_end_ms());
            return self.running()?.restore(SLIDING);
        }
        self.is_stale = true;
        self.running()?.begin_anew(SLIDING)
    }

    /// Sets the lists of a checkpoint; `first_ms` is the end of the first slice.
    pub(super) fn save(&mut self, store: &Arc<dyn StateStore>, first_ms: Option<i64>) -> Result<()> {
        store.set_list(PROGRESS, Redistribution::Union, self.progress()?.save());
        if self.slides {
            let is_kept = !self.is_stale && self.worth.is_kept(first_ms);
            self.running()?.set_kept(is_kept);
            store.set_list(WHOLE, Redistribution::Union, vec![Bytes::copy_from_slice(&[u8::from(is_kept)])]);
        } else {
            let ends = self.running()?.windows().map(|end_ms| Bytes::copy_from_slice(&end_ms.to_le_bytes()));
            let ends = ends.collect();
            store.set_list(RUNNING, Redistribution::Union, ends);
        }
        Ok(())
    }

    /// Its container.
    pub(super) fn container(&mut self) -> Option<&mut dyn KeyedContainer> {
        self.running.as_mut().map(|s| s as &mut dyn KeyedContainer)
    }

    pub(super) fn running(&mut self) -> Result<&mut WindowedState<Groups>> {
        self.running.as_mut().ok_or_else(super::not_open)
    }

    /// What the running state is made of.
    pub(super) fn plan_and_running(&mut self) -> Result<(&Plan, &mut WindowedState<Groups>)> {
        let running = self.running.as_mut().ok_or_else(super::not_open)?;
        Ok((&self.plan, running))
    }

    /// So many keys came out with a window.
    pub(super) fn emitted(&mut self, keys: usize) {
        self.worth.emitted(keys);
    }

    pub(super) fn progress(&self) -> Result<&Progress> {
        self.progress.as_ref().ok_or_else(super::not_open)
    }

    pub(super) fn progress_mut(&mut self) -> Result<&mut Progress> {
        self.progress.as_mut().ok_or_else(super::not_open)
    }

    /// Where the window that ends there is, or the one that grows to it, in the running state.
    pub(super) fn window(&self, end_ms: i64, windows: &Windows) -> i64 {
        if self.slides { SLIDING } else { windows.aligned().longest_end(end_ms) }
    }

    /// Lets the slices enter that the window has and the one before had not.
    pub(super) async fn enter(
        &mut self,
        slices: &mut WindowedState<Groups>,
        end_ms: i64,
        (windows, now_ms): (&Windows, i64),
    ) -> Result<()> {
        self.make_anew(slices, now_ms).await?;
        let window = self.window(end_ms, windows);
        for slice_end_ms in slices.windows_between(self.progress()?.end_ms(), end_ms) {
            let mut walk = Walk::default();
            while let Some(mut part) = walk.next(slices, slice_end_ms).await? {
                // Of keys that are ahead it has entered already.
                let keyed = self.progress()?.before(slice_end_ms, taken(&mut part))?;
                self.worth.entered(slice_end_ms, keyed.1.len());
                self.merge(window, keyed, part.entries(slices, slice_end_ms)?, (false, now_ms)).await?;
            }
            if !self.slides {
                slices.clear(slice_end_ms);
            }
        }
        Ok(())
    }

    /// Makes the state of the window that slides from the slices that it has, if a restore found none.
    pub(super) async fn make_anew(&mut self, slices: &mut WindowedState<Groups>, now_ms: i64) -> Result<()> {
        if !std::mem::take(&mut self.is_stale) {
            return Ok(());
        }
        // Those that have left it are cleared, those that are to come lie behind the progress.
        for slice_end_ms in slices.windows_between(i64::MIN, self.progress()?.last_end_ms()) {
            let mut walk = Walk::default();
            while let Some(mut part) = walk.next(slices, slice_end_ms).await? {
                let keyed = self.progress()?.behind(slice_end_ms, taken(&mut part))?;
                self.worth.entered(slice_end_ms, keyed.1.len());
                self.merge(SLIDING, keyed, part.entries(slices, slice_end_ms)?, (false, now_ms)).await?;
                // It may be larger than memory. No checkpoint counts on what this writes.
                self.running()?.relieve().await?;
            }
        }
        Ok(())
    }

    /// Lets the slices leave that no window behind this one has; whether any is left that this one has.
    pub(super) async fn leave(
        &mut self,
        slices: &mut WindowedState<Groups>,
        end_ms: i64,
        (windows, now_ms): (&Windows, i64),
    ) -> Result<bool> {
        if !self.slides {
            let is_longest = windows.aligned().longest_end(end_ms) == end_ms;
            if is_longest {
                self.running()?.clear(end_ms);
            }
            return Ok(!is_longest);
        }
        for slice_end_ms in slices.windows_between(i64::MIN, end_ms) {
            if windows.last_window_end(slice_end_ms) > end_ms {
                return Ok(true);
            }
            let mut walk = Walk::default();
            while let Some(mut part) = walk.next(slices, slice_end_ms).await? {
                let keyed = self.progress()?.before(end_ms, taken(&mut part))?;
                self.merge(SLIDING, keyed, part.entries(slices, slice_end_ms)?, (true, now_ms)).await?;
            }
            self.worth.left(slice_end_ms);
            slices.clear(slice_end_ms);
        }
        Ok(false)
    }

    /// Takes up the state of these keys, or takes it back; keys that have no rows then are forgotten.
    async fn merge(&mut self, window: i64, keyed: Keyed, partial: &mut Groups, change: (bool, i64)) -> Result<()> {
        let groups = self.put(window, keyed, partial, change).await?;
        if !self.slides || groups.is_empty() {
            return Ok(());
        }
        let running = self.running()?;
        let entries = running.entries_mut(window)?;
        // What is without rows has nothing else either.
        let empty: Vec<u32> = groups.into_iter().filter(|g| entries.rows[*g as usize] == 0).collect();
        empty.into_iter().try_for_each(|group| running.remove(window, group))
    }

    /// What a slice has given to the running state changes: takes it back, to be given again.
    pub(super) async fn take_back(&mut self, keyed: Keyed, partial: &mut Groups, now_ms: i64) -> Result<()> {
        self.put(SLIDING, keyed, partial, (true, now_ms)).await.map(|_| ())
    }

    /// Gives again what was taken back.
    pub(super) async fn give(&mut self, keyed: Keyed, partial: &mut Groups, now_ms: i64) -> Result<()> {
        self.merge(SLIDING, keyed, partial, (false, now_ms)).await
    }

    /// Takes up the state of these keys, or takes it back; their groups in the running state.
    async fn put(
        &mut self,
        window: i64,
        (keys, from): Keyed,
        partial: &mut Groups,
        (retract, now_ms): (bool, i64),
    ) -> Result<Vec<u32>> {
        if from.is_empty() {
            return Ok(Vec::new());
        }
        let (plan, running) = self.plan_and_running()?;
        running.begin(window)?;
        let groups = running.assign(window, &keys, from.len(), now_ms).await?;
        let entries = running.entries_mut(window)?;
        entries.merge(plan, partial, &MergeInput { from: &from, groups: &groups, retract }, now_ms)?;
        Ok(groups)
    }
}

fn taken(part: &mut Part<Groups>) -> Keyed {
    (std::mem::take(&mut part.keys), std::mem::take(&mut part.groups))
}

/// The windows behind `emitted` that a restored slice or growing window must still come to: the first of them.
pub(super) fn next_due(windows: &Windows, (first, last): (i64, i64), emitted: i64) -> Result<Option<i64>> {
    let every_ms = windows.aligned().every_ms();
    if every_ms <= 0 {
        return Err(Error::internal("windows without a length"));
    }
    let next = if first > emitted { first } else { emitted.saturating_add(every_ms) };
    Ok((next <= last).then_some(next))
}
