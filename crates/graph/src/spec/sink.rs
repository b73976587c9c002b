//! What stands between the last operator of a query and its sink.

use flott_api::Schema;
use serde::{Deserialize, Serialize};

use super::Spec;

/// Turns changes by one key into changes by another: the sink's. Gives `+I`, `+U` and `-D`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkUpsertMaterializerSpec {
    /// What comes in; goes out with other kinds.
    pub input: Schema,
    /// The sink's primary key.
    pub primary_key: Vec<usize>,
    /// The columns by which a row that is taken back is found again; nothing for all of them.
    pub upsert_key: Option<Vec<usize>>,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
}

impl Spec for SinkUpsertMaterializerSpec {
    const KIND: &'static str = "sink-upsert-materializer-1";
}
