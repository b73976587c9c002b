//! A store that keeps nothing, until there is the one.

use bytes::Bytes;
use flott_api::state::{
    DeclaredState, EntryBatch, KeyBatch, Redistribution, ScanPage, StateDescriptor, StateNumber, StateStore,
};
use flott_api::{BoxFuture, Result};

pub(crate) struct NoState;

impl StateStore for NoState {
    fn declare(&self, _: &StateDescriptor) -> Result<DeclaredState> {
        Ok(DeclaredState { number: StateNumber(0), restored: None })
    }

    fn write<'a>(&'a self, _: StateNumber, _: &'a EntryBatch) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn fetch<'a>(&'a self, _: StateNumber, keys: &'a KeyBatch) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async { Ok(vec![None; keys.len()]) })
    }

    fn scan<'a>(&'a self, _: StateNumber, _: &'a [u8], _: &'a [u8], _: usize) -> BoxFuture<'a, Result<ScanPage>> {
        Box::pin(async { Ok(ScanPage::default()) })
    }

    fn prefetch(&self, _: StateNumber, _: KeyBatch) {}

    fn list(&self, _: &str) -> Option<Vec<Bytes>> {
        None
    }

    fn set_list(&self, _: &str, _: Redistribution, _: Vec<Bytes>) {}
}
