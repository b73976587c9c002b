//! What solves conflicts before a sink: `ON CONFLICT DO NOTHING` and `ON CONFLICT DO ERROR`.

use flott_api::{Field, LogicalType, Schema, TypeKind};
use serde::{Deserialize, Serialize};

use super::Spec;

/// Appends to each row the watermark in force when it passed: a `BIGINT NOT NULL`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatermarkTimestampAssignerSpec {
    /// What comes in.
    pub input: Schema,
}

impl WatermarkTimestampAssignerSpec {
    /// What goes out.
    pub fn output(&self) -> Schema {
        let stamp = Field::new("$watermark", LogicalType::new(TypeKind::BigInt).with_nullable(false));
        Schema::new(self.input.fields.iter().cloned().chain([stamp]).collect())
    }
}

impl Spec for WatermarkTimestampAssignerSpec {
    const KIND: &'static str = "watermark-timestamp-assigner-1";
}

/// What is done about two rows of one primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SinkConflict {
    /// The job fails.
    Error,
    /// The first row stays.
    Nothing,
}

/// Turns changes by one key into changes by the sink's, once for each watermark. Gives `+I`, `+U` and `-D`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatermarkCompactingSinkMaterializerSpec {
    /// What goes out. What comes in has one more column at its end: that of a [`WatermarkTimestampAssignerSpec`].
    pub output: Schema,
    /// The sink's primary key.
    pub primary_key: Vec<usize>,
    /// The columns by which a row that is taken back is found again; nothing for all of them.
    pub upsert_key: Option<Vec<usize>>,
    /// What is done about two rows of one key.
    pub conflict: SinkConflict,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
    /// `table.local-time-zone`, in which a key is shown in an error.
    pub session_zone: String,
}

impl Spec for WatermarkCompactingSinkMaterializerSpec {
    const KIND: &'static str = "watermark-compacting-sink-materializer-1";
}
