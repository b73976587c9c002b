//! Text and bytes to bytes; `BINARY` is padded with zeros and cut, `VARBINARY` is cut.

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use flott_api::{Error, Result, TypeKind};

use super::{Cast, arc};

/// The cast of a text or bytes to bytes.
pub(super) fn to_binary(to: &TypeKind) -> Result<Cast> {
    let (max, pad) = match to {
        TypeKind::Binary(n) => (*n as usize, true),
        TypeKind::Varbinary(n) => (*n as usize, false),
        other => return Err(Error::internal(format!("{other} holds no bytes"))),
    };
    Ok(Box::new(move |array| resized(array, max, pad)))
}

fn resized(array: &ArrayRef, max: usize, pad: bool) -> Result<ArrayRef> {
    let array = arrow_cast::cast(array, &DataType::Binary)?;
    let values = array.as_binary::<i32>();
    let fits = |bytes: &[u8]| if pad { bytes.len() == max } else { bytes.len() <= max };
    if values.iter().flatten().all(fits) {
        return Ok(array);
    }
    if pad && max.saturating_mul(values.len()) > i32::MAX as usize {
        return Err(Error::data("a column of bytes is longer than 2 GiB"));
    }
    let mut builder = BinaryBuilder::with_capacity(values.len(), 0);
    let mut padded = Vec::new();
    for bytes in values {
        match bytes {
            Some(bytes) if pad => {
                padded.clear();
                padded.extend_from_slice(&bytes[..bytes.len().min(max)]);
                padded.resize(max, 0);
                builder.append_value(&padded);
            }
            Some(bytes) => builder.append_value(&bytes[..bytes.len().min(max)]),
            None => builder.append_null(),
        }
    }
    Ok(arc(builder.finish()))
}
