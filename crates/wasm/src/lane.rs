//! How the values of a type cross.

use flott_api::{Error, LogicalType, Result, TypeKind};
use wasm_encoder::{InstructionSink, MemArg, ValType};

/// The most digits of a decimal that crosses as one number.
const DECIMAL_PRECISION_MAX: u8 = 18;

/// How the values of a type cross, and so how they lie where the loop reads and writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A truth value: a byte that is 0 or 1.
    Truth,
    /// 8 bits with a sign.
    I8,
    /// 16 bits with a sign.
    I16,
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// The low 64 of 128 bits.
    I128,
    /// A `FLOAT`.
    F32,
    /// A `DOUBLE`.
    F64,
    /// Pointer and length, 32 bits each.
    Bytes,
}

impl Lane {
    /// How values of a type cross.
    ///
    /// # Errors
    /// If they do not.
    pub(crate) fn of(ty: &LogicalType) -> Result<Lane> {
        Ok(match &ty.kind {
            TypeKind::Boolean => Lane::Truth,
            TypeKind::TinyInt => Lane::I8,
            TypeKind::SmallInt => Lane::I16,
            TypeKind::Int | TypeKind::Date | TypeKind::Time(_) | TypeKind::IntervalYearMonth => Lane::I32,
            TypeKind::BigInt | TypeKind::IntervalDayTime => Lane::I64,
            TypeKind::Timestamp(0..=6) | TypeKind::TimestampLtz(0..=6) => Lane::I64,
            TypeKind::Decimal { precision: 0..=DECIMAL_PRECISION_MAX, .. } => Lane::I128,
            TypeKind::Float => Lane::F32,
            TypeKind::Double => Lane::F64,
            TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Binary(_) | TypeKind::Varbinary(_) => Lane::Bytes,
            kind => return Err(refused(kind)),
        })
    }

    /// The bytes from one argument to the next.
    pub(crate) fn argument_bytes(self) -> u32 {
        match self {
            Lane::Truth | Lane::I8 => 1,
            Lane::I16 => 2,
            Lane::I32 | Lane::F32 => 4,
            Lane::I64 | Lane::F64 | Lane::Bytes => 8,
            Lane::I128 => 16,
        }
    }

    /// The bytes from one result to the next; of bytes, of their ends.
    pub(crate) fn result_bytes(self) -> u32 {
        match self {
            Lane::Truth | Lane::I8 | Lane::I16 | Lane::I32 | Lane::F32 | Lane::Bytes => 4,
            Lane::I64 | Lane::I128 | Lane::F64 => 8,
        }
    }

    /// The parameters of the function that an argument fills.
    pub(crate) fn parameters(self) -> &'static [ValType] {
        match self {
            Lane::Truth | Lane::I8 | Lane::I16 | Lane::I32 => &[ValType::I32],
            Lane::I64 | Lane::I128 => &[ValType::I64],
            Lane::F32 => &[ValType::F32],
            Lane::F64 => &[ValType::F64],
            Lane::Bytes => &[ValType::I32, ValType::I32],
        }
    }

    /// What the function gives: of bytes, the pointer in the upper half and the length in the lower one.
    pub(crate) fn result(self) -> ValType {
        match self {
            Lane::Bytes => ValType::I64,
            other => other.parameters()[0],
        }
    }

    /// Puts the argument whose address lies in a local on the stack.
    pub(crate) fn load(self, code: &mut InstructionSink<'_>, memory: u32, address: u32) {
        let at = |offset, align| MemArg { offset, align, memory_index: memory };
        code.local_get(address);
        match self {
            Lane::Truth => code.i32_load8_u(at(0, 0)),
            Lane::I8 => code.i32_load8_s(at(0, 0)),
            Lane::I16 => code.i32_load16_s(at(0, 1)),
            Lane::I32 => code.i32_load(at(0, 2)),
            Lane::I64 | Lane::I128 => code.i64_load(at(0, 3)),
            Lane::F32 => code.f32_load(at(0, 2)),
            Lane::F64 => code.f64_load(at(0, 3)),
            Lane::Bytes => code.i32_load(at(0, 2)).local_get(address).i32_load(at(4, 2)),
        };
    }

    /// Stores the result on the stack at the address below it. Not for bytes.
    pub(crate) fn store(self, code: &mut InstructionSink<'_>, memory: u32) {
        let at = |align| MemArg { offset: 0, align, memory_index: memory };
        match self {
            Lane::Truth | Lane::I8 | Lane::I16 | Lane::I32 | Lane::Bytes => code.i32_store(at(2)),
            Lane::I64 | Lane::I128 => code.i64_store(at(3)),
            Lane::F32 => code.f32_store(at(2)),
            Lane::F64 => code.f64_store(at(3)),
        };
    }
}

fn refused(kind: &TypeKind) -> Error {
    let hint = match kind {
        TypeKind::Decimal { .. } => "Up to 18 digits cross; more as STRING.",
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => "Up to 6 digits of a second cross.",
        _ => "Numbers, truth values, dates, times, text and bytes cross; the rest as text, such as JSON.",
    };
    Error::unsupported(format!("{kind} for a function in WebAssembly")).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_cross_is_refused_with_what_does() {
        let refused = |kind| Lane::of(&LogicalType::new(kind)).unwrap_err();
        let wide = refused(TypeKind::Decimal { precision: 19, scale: 2 });
        assert_eq!(wide.message(), "DECIMAL(19, 2) for a function in WebAssembly is not supported yet");
        assert_eq!(wide.hint(), Some("Up to 18 digits cross; more as STRING."));
        assert!(refused(TypeKind::Timestamp(9)).hint().unwrap().contains("6 digits"));
        assert!(refused(TypeKind::Row(Vec::new())).hint().unwrap().contains("JSON"));
    }
}
