//! Values with a binary form of their own: `VARIANT` and `BITMAP`.

use flott_api::Result;
use flott_api::bitmap::{self, Bitmap};
use flott_api::variant::{Node, Variant};

use super::invariants::check_error;

/// Values may share their parts, so that a few bytes can have values without number.
const VALUES_MAX: usize = 10_000;
/// What made a value nests no deeper.
const DEPTH_MAX: usize = 200;

/// Reads the bytes behind the first one as what that one says.
pub(super) fn run(input: &[u8]) -> usize {
    let Some((what, bytes)) = input.split_first() else { return 0 };
    let read = if what & 1 == 0 { variant(bytes) } else { bitmap(bytes) };
    read.map_or_else(
        |e| {
            check_error(&e);
            0
        },
        |()| 1,
    )
}

fn variant(bytes: &[u8]) -> Result<()> {
    let variant = Variant::read(bytes)?;
    walk(&variant, 0, &mut 0);
    let mut out = Vec::new();
    variant.write(&mut out)?;
    assert!(bytes.starts_with(&out), "a variant is written as it was read");
    Ok(())
}

fn walk(variant: &Variant<'_>, depth: usize, values: &mut usize) {
    *values += 1;
    if *values > VALUES_MAX || depth > DEPTH_MAX {
        return;
    }
    match variant.node() {
        Ok(Node::Array(elements)) => {
            for at in 0..elements.len().min(VALUES_MAX) {
                elements.get(at).map_or_else(|e| check_error(&e), |element| walk(&element, depth + 1, values));
            }
        }
        Ok(Node::Object(fields)) => {
            for at in 0..fields.len().min(VALUES_MAX) {
                if let Ok(name) = fields.name(at) {
                    fields.get(name).map_or_else(|e| check_error(&e), |_| ());
                }
                fields.value(at).map_or_else(|e| check_error(&e), |value| walk(&value, depth + 1, values));
            }
        }
        Ok(_) => {}
        Err(e) => check_error(&e),
    }
}

fn bitmap(bytes: &[u8]) -> Result<()> {
    bitmap::cardinality(bytes).map_or_else(|e| check_error(&e), |_| ());
    let mut bitmap = Bitmap::read(bytes)?;
    let mut out = Vec::new();
    bitmap.write(&mut out);
    let again = Bitmap::read(&out).expect("what was written can be read");
    assert!(again == bitmap, "a bitmap is written as it was read");
    assert_eq!(bitmap::cardinality(&out).ok(), Some(bitmap.len()), "the head says how many values there are");
    Ok(())
}
