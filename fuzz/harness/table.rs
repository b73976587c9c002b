//! Tables with columns of every type, made of a number.

use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_formats::Format;

const LENGTH_MAX: u32 = i32::MAX as u32;
const COLUMNS_MAX: u64 = 10;
/// Types nest so deep at most.
const DEPTH_MAX: u32 = 3;

/// SplitMix64 (Sebastiano Vigna, public domain).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn scalars() -> Vec<TypeKind> {
    let decimal = |precision, scale| TypeKind::Decimal { precision, scale };
    vec![
        TypeKind::Varchar(LENGTH_MAX),
        TypeKind::Int,
        TypeKind::BigInt,
        TypeKind::Double,
        decimal(5, 2),
        TypeKind::Timestamp(3),
        TypeKind::TimestampLtz(3),
        TypeKind::Date,
        TypeKind::Time(0),
        TypeKind::Boolean,
        TypeKind::Varbinary(LENGTH_MAX),
        TypeKind::Timestamp(9),
        decimal(38, 18),
        TypeKind::TinyInt,
        TypeKind::SmallInt,
        TypeKind::Float,
        TypeKind::Char(3),
        TypeKind::Varchar(5),
        TypeKind::Binary(2),
        decimal(18, 0),
        decimal(38, 38),
        TypeKind::Time(3),
        TypeKind::Timestamp(0),
        TypeKind::Timestamp(6),
        TypeKind::TimestampLtz(6),
        TypeKind::TimestampLtz(9),
        TypeKind::Null,
    ]
}

fn name(number: usize) -> String {
    char::from(b'a' + number as u8).to_string()
}

fn ty(random: &mut Random, depth: u32) -> LogicalType {
    let scalars = scalars();
    let nested = if depth < DEPTH_MAX { 10 } else { 0 };
    let pick = random.below(scalars.len() as u64 + nested) as usize;
    let kind = match scalars.get(pick) {
        Some(kind) => kind.clone(),
        None => match pick - scalars.len() {
            0..3 => TypeKind::Array(Box::new(ty(random, depth + 1))),
            3..6 => TypeKind::Map(Box::new(LogicalType::string()), Box::new(ty(random, depth + 1))),
            6 => TypeKind::Multiset(Box::new(LogicalType::string())),
            _ => {
                let fields = 1 + random.below(3) as usize;
                TypeKind::Row((0..fields).map(|i| Field::new(name(i), ty(random, depth + 1))).collect())
            }
        },
    };
    let nullable = kind == TypeKind::Null || random.below(5) > 0;
    LogicalType::new(kind).with_nullable(nullable)
}

/// The table of a number: 0 has all types that hold one value, others some of any type; only what the format takes.
pub(super) fn table(number: u16, format: &dyn Format) -> Schema {
    let mut random = Random(number.into());
    let types: Vec<LogicalType> = match number {
        0 => scalars().into_iter().map(LogicalType::new).collect(),
        _ => (0..1 + random.below(COLUMNS_MAX)).map(|_| ty(&mut random, 0)).collect(),
    };
    let fields = types.into_iter().enumerate().map(|(i, ty)| Field::new(name(i), ty));
    let held: Vec<Field> = fields.filter(|f| format.check(&Schema::new(vec![f.clone()])).is_ok()).collect();
    let all = Schema::new(held.clone());
    if !held.is_empty() && format.check(&all).is_ok() {
        return all;
    }
    // A format of one column.
    let first = held.into_iter().next().unwrap_or_else(|| Field::new("a", LogicalType::string()));
    Schema::new(vec![first])
}
