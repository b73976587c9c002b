//! `window_start`, `window_end` and `window_time` as columns.

use arrow_array::{ArrayRef, Int64Array};
use flott_api::{LogicalType, Result, TypeKind};
use flott_graph::spec::WindowProperty;

use super::time::{WallClock, from_millis};

/// Start and end of some windows, in wall time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) starts: &'a [i64],
    pub(crate) ends: &'a [i64],
}

/// A property of these windows.
pub(crate) fn property(
    kind: WindowProperty,
    bounds: &Bounds<'_>,
    clock: &WallClock,
    ty: &LogicalType,
) -> Result<ArrayRef> {
    let values = match kind {
        WindowProperty::Start => bounds.starts.to_vec(),
        WindowProperty::End => bounds.ends.to_vec(),
        WindowProperty::Time => {
            let last: Int64Array = bounds.ends.iter().map(|end| Some(end.saturating_sub(1))).collect();
            let is_moment = matches!(ty.kind, TypeKind::TimestampLtz(_));
            let last = if is_moment { clock.utc(last)? } else { last };
            last.values().to_vec()
        }
    };
    from_millis(values, ty)
}
