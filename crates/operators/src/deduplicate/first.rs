//! The first row of each key by processing time: all that must be known is which keys there were.

use arrow_array::{ArrayRef, BooleanArray};
use flott_api::operator::{OpenContext, OperatorContext};
use flott_api::state::{KeyedContainer, StatePart};
use flott_api::{ChangeBatch, Result};
use flott_graph::spec::DeduplicateSpec;
use flott_state::codec::damaged;
use flott_state::hot::{GroupEntries, KeyedState, KeyedStateOptions, TtlOptions, Values, take_part};

use super::not_open;
use crate::emit::emit;

/// Whether a key was seen.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<bool>);

impl Seen {
    pub(super) fn note(&mut self, group: u32) {
        self.0[group as usize] = true;
    }

    pub(super) fn has(&self, group: u32) -> bool {
        self.0[group as usize]
    }
}

/// An entry has an empty part: it is there.
impl GroupEntries for Seen {
    fn fresh(&self) -> Result<Self> {
        Ok(Seen::default())
    }

    fn grow(&mut self, end: usize) {
        self.0.resize(self.0.len().max(end), false);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for _ in groups {
            values.part(|_| {});
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            if !take_part(&mut value)?.is_empty() || !value.is_empty() {
                return Err(damaged("a key that was seen has a value"));
            }
            self.0[*group as usize] = true;
        }
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        self.0[group as usize] = false;
    }

    fn memory_bytes(&self) -> usize {
        self.0.len()
    }

    fn slot_bytes(&self) -> usize {
        1
    }
}

/// The state of which keys were seen.
pub(super) fn seen_state(spec: &DeduplicateSpec) -> KeyedStateOptions {
    KeyedStateOptions {
        name: "seen".to_owned(),
        keys: spec.keys.iter().map(|k| spec.input.fields[*k].ty.clone()).collect(),
        parts: vec![StatePart { name: "seen".to_owned(), ty: "nothing".to_owned() }],
        ttl: TtlOptions::after(spec.state_ttl_ms),
    }
}

/// See the module.
pub(super) struct First {
    keys: Vec<usize>,
    options: KeyedStateOptions,
    state: Option<KeyedState<Seen>>,
}

impl First {
    pub(super) fn new(spec: &DeduplicateSpec) -> Self {
        First { keys: spec.keys.clone(), options: seen_state(spec), state: None }
    }

    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    pub(super) fn prefetch(&self, batch: &ChangeBatch) -> Result<()> {
        self.state.as_ref().ok_or_else(not_open)?.prefetch(&self.keys(batch), batch.len())
    }

    pub(super) fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }

    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.options, Seen::default())?);
        Ok(())
    }

    pub(super) async fn process(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (keys, now_ms) = (self.keys(batch), cx.processing_time_ms);
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(&keys, batch.len(), now_ms).await?;
        state.touch(&groups.iter().copied().filter(|g| is_new(state, *g, now_ms)).collect::<Vec<_>>())?;
        let mut first = Vec::with_capacity(groups.len());
        for group in &groups {
            let is_first = is_new(state, *group, now_ms);
            if is_first {
                state.entries_mut().note(*group);
                state.set_changed(*group, now_ms);
            }
            first.push(is_first);
        }
        state.read(&groups, now_ms)?;
        state.expire(now_ms)?;
        emit(batch.filter(&BooleanArray::from(first))?, cx).await
    }
}

fn is_new(state: &KeyedState<Seen>, group: u32, now_ms: i64) -> bool {
    !state.entries().has(group) || state.is_expired(group, now_ms)
}
