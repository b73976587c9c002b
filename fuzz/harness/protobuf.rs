//! The messages of `protobuf`, and their columns.

use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::header::Header;

const TYPES2: &str = include_str!("../../crates/formats/src/protobuf/flink/types2.proto");
const TYPES3: &str = include_str!("../../crates/formats/src/protobuf/flink/types3.proto");

/// Columns of both messages: names and types, as [`ty`] reads them.
const BOTH: &str = "flag=b i32=i u32=i s32=i f32=i s64=l single=f twice=d text=s raw_bytes=y colour=s inner=n \
                    loose=[i packed=[i texts=[s inners=[n colours=[s choice_number=i choice_text=s choice_inner=n";
const ONLY2: &str = "by_text={ss must=i";
const ONLY3: &str = "sf32=i i64=l u64=l f64=l sf64=l counts={sl by_number={in by_flag={bs maybe=i maybe_text=s at=t \
                     doubles=[d";

fn is_proto2(header: &Header) -> bool {
    header.table & 1 == 1
}

/// The options that a header chooses.
pub(super) fn options(header: &Header) -> Vec<(&'static str, &'static str)> {
    let (class, schema) = match is_proto2(header) {
        true => ("org.flott.two.Second$All", TYPES2),
        false => ("flott.three.All", TYPES3),
    };
    let mut all = vec![("message-class-name", class), ("schema", schema)];
    if header.option(0) {
        all.push(("read-default-values", "true"));
    }
    all
}

/// The columns that a header chooses: all of the message, or every second one.
pub(super) fn table(header: &Header) -> Schema {
    let only = if is_proto2(header) { ONLY2 } else { ONLY3 };
    let columns = BOTH.split_whitespace().chain(only.split_whitespace()).enumerate();
    let columns = columns.filter(|(i, _)| header.table & 6 == 0 || i % 2 == usize::from(header.table >> 1 & 1));
    let field = |(_, column): (usize, &str)| {
        let (name, text) = column.split_once('=').expect("a column has a type");
        Field::new(name, ty(&mut text.chars()))
    };
    Schema::new(columns.map(field).collect())
}

fn ty(text: &mut std::str::Chars<'_>) -> LogicalType {
    let field = |name: &str, kind| Field::new(name, LogicalType::new(kind));
    let kind = match text.next() {
        Some('b') => TypeKind::Boolean,
        Some('i') => TypeKind::Int,
        Some('l') => TypeKind::BigInt,
        Some('f') => TypeKind::Float,
        Some('d') => TypeKind::Double,
        Some('y') => TypeKind::Varbinary(i32::MAX as u32),
        Some('[') => TypeKind::Array(Box::new(ty(text))),
        Some('{') => {
            let key = Box::new(ty(text));
            TypeKind::Map(key, Box::new(ty(text)))
        }
        Some('n') => {
            let numbers = TypeKind::Array(Box::new(LogicalType::new(TypeKind::BigInt)));
            TypeKind::Row(vec![field("a", TypeKind::Int), Field::new("b", LogicalType::string()), field("c", numbers)])
        }
        Some('t') => TypeKind::Row(vec![field("seconds", TypeKind::BigInt), field("nanos", TypeKind::Int)]),
        _ => return LogicalType::string(),
    };
    LogicalType::new(kind)
}
