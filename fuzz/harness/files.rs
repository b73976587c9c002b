//! Formats whose files are read as a whole: from the start, in two ranges, and behind rows that are skipped.

use std::io::Cursor;
use std::ops::Range;

use flott_formats::FileFormat;

use super::invariants::{Rows, check_error};
use super::records::Case;

/// A file of few bytes may say that it has rows without number; so many batches show what they are like.
const BATCHES_MAX: usize = 24;

/// Reads a file in every way.
pub(super) fn file(case: &Case<'_>, format: &dyn FileFormat, bytes: &[u8]) -> usize {
    let Some(whole) = read(case, format, bytes, 0..u64::MAX, 0) else { return 0 };
    let skip = usize::from(case.header.piece).min(whole.len());
    let rest = read(case, format, bytes, 0..u64::MAX, skip as u64).expect("what is read at once is read from within");
    rest.assert_same(&whole, skip, 0, "behind a position");
    let middle = bytes.len() as u64 * u64::from(case.header.extra) / 256;
    let front = read(case, format, bytes, 0..middle, 0);
    let back = read(case, format, bytes, middle..u64::MAX, 0);
    if matches!(case.name, "orc" | "parquet") {
        // In Avro the marker may stand within the data of a block, by a chance of 2^-128, or by malice.
        let (front, back) = (front.expect("a part is no worse"), back.expect("a part is no worse"));
        assert_eq!(front.len() + back.len(), whole.len(), "the rows of both ranges");
    }
    whole.len()
}

/// The rows of a range; nothing if the file is damaged, or has too many.
fn read(case: &Case<'_>, format: &dyn FileFormat, bytes: &[u8], range: Range<u64>, skip: u64) -> Option<Rows> {
    let mut rows = Rows::default();
    let opened = format.reader(Box::new(Cursor::new(bytes.to_vec())), &case.spec, range, skip);
    let mut reader = opened.map_err(|e| check_error(&e)).ok()?;
    for _ in 0..BATCHES_MAX {
        match reader.next_batch() {
            Ok(Some(batch)) => {
                rows.take(&batch, &case.spec.output_schema(), bytes.len());
                case.write(&batch);
            }
            Ok(None) => return Some(rows),
            Err(e) => {
                check_error(&e);
                return None;
            }
        }
    }
    None
}
