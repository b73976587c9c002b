//! A walk through all entries of a window: what is in memory, then, page by page, what is only in the store.

use arrow_array::ArrayRef;
use flott_api::Result;
use flott_state::hot::{Cursor, GroupEntries, WindowedState};

/// Where a walk is.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    began: bool,
    cursor: Cursor,
}

/// Some entries of a window.
pub(crate) struct Part<E> {
    /// The key columns.
    pub(crate) keys: Vec<ArrayRef>,
    /// The numbers of the groups, in the order of the keys.
    pub(crate) groups: Vec<u32>,
    /// The entries, if they are not in memory.
    page: Option<E>,
}

impl<E: GroupEntries> Part<E> {
    /// The entries that the numbers mean.
    pub(crate) fn entries<'a>(&'a mut self, state: &'a mut WindowedState<E>, window: i64) -> Result<&'a mut E> {
        match &mut self.page {
            Some(entries) => Ok(entries),
            None => state.entries_mut(window),
        }
    }
}

impl Walk {
    /// The next part of the window; nothing at its end. The window may not be changed in between.
    pub(crate) async fn next<E: GroupEntries>(
        &mut self,
        state: &mut WindowedState<E>,
        window: i64,
    ) -> Result<Option<Part<E>>> {
        if !std::mem::replace(&mut self.began, true) {
            let groups = state.resident(window)?;
            return Ok(Some(Part { keys: state.columns(window, &groups)?, groups, page: None }));
        }
        let page = state.next_page(window, &mut self.cursor).await?;
        Ok(page.map(|page| Part { keys: page.keys, groups: (0..page.len as u32).collect(), page: Some(page.entries) }))
    }
}

/// The rows of some columns that these places name.
pub(crate) fn picked(columns: &[ArrayRef], places: Vec<u32>) -> Result<Vec<ArrayRef>> {
    let places = arrow_array::UInt32Array::from(places);
    Ok(columns.iter().map(|c| arrow_select::take::take(c, &places, None)).collect::<Result<_, _>>()?)
}
