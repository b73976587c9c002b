//! Random rows of every type come back, however they are cut into batches, stripes, groups and chunks.

use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use super::{orc, read_all, schema_of, written};
use crate::column::{Column, Columns, Values};
use crate::tests::Random;

/// How a column's values are, so that every encoding comes up.
#[derive(Clone, Copy)]
enum Style {
    /// Anything.
    Wild,
    /// Few values.
    Few,
    /// Rising by small steps.
    Rising,
    /// The same for long.
    Runs,
    /// Falling by one.
    Steps,
}

const STYLES: [Style; 5] = [Style::Wild, Style::Few, Style::Rising, Style::Runs, Style::Steps];

impl Style {
    fn next(self, last: i64, random: &mut Random) -> i64 {
        match self {
            Style::Wild => (random.next() as i64) >> random.below(64),
            Style::Few => random.below(5) as i64 * 1000 - 2000,
            Style::Rising => last.wrapping_add(random.below(30) as i64),
            Style::Runs if random.below(20) > 0 => last,
            Style::Runs => random.below(100_000) as i64,
            Style::Steps => last.wrapping_sub(1),
        }
    }
}

pub(crate) fn schema() -> Schema {
    let of = LogicalType::new;
    let row = TypeKind::Row(vec![Field::new("x", of(TypeKind::Int)), Field::new("t", of(TypeKind::Timestamp(6)))]);
    let strings = TypeKind::Array(Box::new(LogicalType::string()));
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(of(strings.clone())));
    schema_of(&[
        ("bo", TypeKind::Boolean),
        ("ti", TypeKind::TinyInt),
        ("si", TypeKind::SmallInt),
        ("i", TypeKind::Int),
        ("bi", TypeKind::BigInt),
        ("bj", TypeKind::BigInt),
        ("f", TypeKind::Float),
        ("d", TypeKind::Double),
        ("de", TypeKind::Decimal { precision: 38, scale: 5 }),
        ("c", TypeKind::Char(3)),
        ("vc", TypeKind::Varchar(5)),
        ("s", TypeKind::Varchar(i32::MAX as u32)),
        ("by", TypeKind::Varbinary(i32::MAX as u32)),
        ("da", TypeKind::Date),
        ("t3", TypeKind::Timestamp(3)),
        ("t9", TypeKind::Timestamp(9)),
        ("a", strings),
        ("m", map),
        ("r", row.clone()),
        ("ar", TypeKind::Array(Box::new(of(row)))),
    ])
}

fn letters(most: usize, random: &mut Random, style: Style) -> Vec<u8> {
    const LETTERS: [&str; 6] = ["a", "b", "ż", "😀", "c", "d"];
    let length = if matches!(style, Style::Few) { most.min(1) } else { random.below(most.min(12) + 1) };
    (0..length).flat_map(|_| LETTERS[random.below(LETTERS.len())].bytes()).collect()
}

/// Milliseconds that a file can have: neither in the days that no calendar has nor in the second before 1970.
fn millis(last: i64, style: Style, random: &mut Random) -> i64 {
    const DAY: i64 = 86_400_000;
    let value = style.next(last, random) % (DAY * 700_000);
    let gap = -141_437 * DAY..-141_427 * DAY;
    if gap.contains(&value) || (-1000..0).contains(&value) { 7 } else { value }
}

fn fill(column: &mut Column, rows: usize, (style, nulls): (Style, usize), random: &mut Random) {
    let mut last = random.below(1000) as i64;
    for _ in 0..rows {
        if nulls > 0 && random.below(nulls) == 0 {
            column.push_null();
            continue;
        }
        last = style.next(last, random);
        let kind = column.ty.kind.clone();
        match &mut column.values {
            Values::Boolean(v) => v.push(last & 1 == 1),
            Values::Int8(v) => v.push(last as i8),
            Values::Int16(v) => v.push(last as i16),
            Values::Int32(v) => v.push(last as i32),
            Values::Int64(v) => v.push(match kind {
                TypeKind::Timestamp(3) => millis(last, style, random),
                TypeKind::Timestamp(_) => millis(last, style, random) * 1000 + random.below(1000) as i64,
                _ => last,
            }),
            Values::Float32(v) => v.push(last as f32 / 7.0),
            Values::Float64(v) => v.push(if random.below(50) == 0 { f64::INFINITY } else { last as f64 / 7.0 }),
            Values::Decimal(v) => v.push(i128::from(last) * i128::from(last) % 10_i128.pow(38) - i128::from(last)),
            Values::Nanos { millis: m, nanos } => {
                m.push(millis(last, style, random));
                nanos.push([0, 1, 1000, 999_999][random.below(4)]);
            }
            Values::Bytes { ends, data, utf8 } => {
                let most = match kind {
                    TypeKind::Char(n) | TypeKind::Varchar(n) => n as usize,
                    _ => 40,
                };
                if *utf8 {
                    data.extend(letters(most, random, style))
                } else {
                    data.extend(last.to_le_bytes())
                }
                ends.push(data.len() as i32);
            }
            Values::List { ends, child } => {
                fill_child(child, random.below(4), (style, nulls), random);
                ends.push(child.len() as i32);
            }
            Values::Row(fields) => fields.iter_mut().for_each(|f| fill(f, 1, (style, nulls), random)),
            Values::Null => {}
        }
        column.pushed();
    }
}

/// Entries of a map are never null themselves.
fn fill_child(child: &mut Column, rows: usize, (style, nulls): (Style, usize), random: &mut Random) {
    let nulls = if child.ty.nullable { nulls } else { 0 };
    fill(child, rows, (style, nulls), random);
}

/// Rows, cut into batches of this size.
pub(crate) fn batches(rows: usize, size: usize, seed: u64) -> Vec<ChangeBatch> {
    let mut columns = Columns::new(&schema());
    let mut random = Random(seed);
    for (number, column) in columns.columns.iter_mut().enumerate() {
        let style = STYLES[(number + seed as usize) % STYLES.len()];
        fill(column, rows, (style, [0, 2, 9, 1000][(number + seed as usize / 3) % 4]), &mut random);
    }
    columns.added(rows);
    let all = columns.take().unwrap();
    let starts = (0..rows).step_by(size);
    starts.map(|start| ChangeBatch::inserts(all.slice(start, size.min(rows - start)))).collect()
}

fn joined(batches: &[ChangeBatch]) -> arrow_array::RecordBatch {
    let rows: Vec<_> = batches.iter().map(|b| b.rows().clone()).collect();
    arrow_select::concat::concat_batches(rows[0].schema_ref(), &rows).unwrap()
}

fn comes_back(rows: usize, seed: u64, options: &[(&str, &str)]) {
    let expected = joined(&batches(rows, rows, seed));
    for size in [1, 7, rows] {
        let file = written(&*orc(options), &schema(), &batches(rows, size, seed));
        let back = joined(&read_all(&schema(), file).unwrap());
        for (column, (ours, theirs)) in expected.columns().iter().zip(back.columns()).enumerate() {
            assert_eq!(ours, theirs, "column {column}, seed {seed}, batches of {size}, {options:?}");
        }
    }
}

#[test]
fn random_rows_come_back_from_every_codec() {
    for (seed, codec) in ["NONE", "ZLIB", "SNAPPY", "LZ4", "ZSTD"].into_iter().enumerate() {
        for seed in [seed as u64, seed as u64 + 5] {
            comes_back(700, seed, &[("orc.compress", codec)]);
            comes_back(
                700,
                seed,
                &[("orc.compress", codec), ("orc.compress.size", "100"), ("orc.stripe.size", "9000")],
            );
        }
    }
}

#[test]
fn random_rows_come_back_from_groups_and_stripes_of_any_size() {
    for seed in 0..5 {
        comes_back(2500, seed, &[("orc.row.index.stride", "1000")]);
        comes_back(300, seed, &[("orc.row.index.stride", "0"), ("orc.stripe.size", "1")]);
    }
}

#[test]
fn dictionaries_come_back_and_are_given_up() {
    let schema = schema_of(&[("s", TypeKind::Varchar(i32::MAX as u32))]);
    for distinct in [1, 3000, 8000, 30_000] {
        let rows = |from: usize| {
            let mut columns = Columns::new(&schema);
            for row in from..from + 5000 {
                if row % 11 == 0 {
                    columns.columns[0].push_null();
                } else {
                    assert!(columns.columns[0].push_bytes(format!("word {}", row * 7 % distinct).as_bytes()));
                }
            }
            columns.added(5000);
            ChangeBatch::inserts(columns.take().unwrap())
        };
        let batches: Vec<ChangeBatch> = (0..6).map(|i| rows(i * 5000)).collect();
        for stride in ["1000", "10000", "0"] {
            let file = written(&*orc(&[("orc.row.index.stride", stride)]), &schema, &batches);
            let back = joined(&read_all(&schema, file).unwrap());
            assert_eq!(joined(&batches), back, "{distinct} {stride}");
        }
    }
}
