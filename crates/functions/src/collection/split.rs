//! `SPLIT(text, delimiter)`: the pieces of a text between a delimiter, as an array of strings.
//!
//! An empty delimiter gives every character; an empty text has no pieces. A null argument gives null.
//! `SPLIT('a,,b', ',')` is `[a, , b]`.

use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use flott_api::{LogicalType, Result, TypeKind};

use super::lists::element_field;
use crate::operand::TextWriter;
use crate::registry::{Binding, Inference, Kernel, Signature};

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let is_text = |arg: &LogicalType| arg.kind.is_character() || arg.kind == TypeKind::Null;
    if !call.args.iter().all(is_text) {
        return Err(call.mismatch());
    }
    let args: Vec<_> = call.args.iter().map(as_text).collect();
    let nullable = args.iter().any(|a| a.nullable);
    let element = LogicalType::string().with_nullable(true);
    Ok(Signature { args, ty: LogicalType { kind: TypeKind::Array(Box::new(element)), nullable } })
}

/// A written `NULL` is a null string.
fn as_text(arg: &LogicalType) -> LogicalType {
    match arg.kind {
        TypeKind::Null => LogicalType::string().with_nullable(true),
        _ => arg.clone(),
    }
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    Ok(Box::new(move |args| {
        let (texts, delimiters) = (args.text(0)?, args.text(1)?);
        let nulls = args.nulls();
        let mut pieces = Pieces { out: TextWriter::new(args.rows), count: 0 };
        let mut offsets = vec![0];
        for row in 0..args.rows {
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                pieces.split(texts.get(row), delimiters.get(row))?;
            }
            offsets.push(pieces.count);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let list = ListArray::try_new(field.clone(), offsets, pieces.out.finish()?, nulls)?;
        Ok(Arc::new(list) as ArrayRef)
    }))
}

struct Pieces {
    out: TextWriter,
    count: i32,
}

impl Pieces {
    fn split(&mut self, text: &str, delimiter: &str) -> Result<()> {
        match delimiter {
            "" => text.char_indices().try_for_each(|(at, c)| self.push(&text[at..at + c.len_utf8()])),
            _ if text.is_empty() => Ok(()),
            _ => text.split(delimiter).try_for_each(|piece| self.push(piece)),
        }
    }

    fn push(&mut self, piece: &str) -> Result<()> {
        self.out.push(piece);
        self.out.end(true)?;
        let too_many = || flott_api::Error::data("the pieces of a batch are more than 2^31");
        self.count = self.count.checked_add(1).ok_or_else(too_many)?;
        Ok(())
    }
}
