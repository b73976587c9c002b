//! Rows of every type, in every style; the tableaus are real Flink's.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field as ArrowField};
use expect_test::expect;
use flott_api::{Field, LogicalType, RowKind, RowKinds};

use super::*;

fn view(style: Style) -> View {
    View { style, zone: "UTC".into(), column_width_max: 30, is_final: false }
}

fn show(style: Style, columns: Vec<(&str, TypeKind, ArrayRef)>, kinds: Option<Vec<RowKind>>) -> String {
    let schema = Schema::new(columns.iter().map(|(n, k, _)| Field::new(*n, LogicalType::new(k.clone()))).collect());
    let rows = RecordBatch::try_new(schema.arrow(), columns.into_iter().map(|c| c.2).collect()).unwrap();
    let batch = ChangeBatch::new(rows, kinds.map(RowKinds::new)).unwrap();
    let mut writer = rows_writer(&view(style), &schema);
    let mut out = String::new();
    writer.rows(&batch, &mut out).unwrap();
    writer.end(Ending::Complete, &mut out);
    out
}

use flott_api::TypeKind;

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

const STRING: TypeKind = TypeKind::Varchar(i32::MAX as u32);

#[test]
fn a_changelog_as_flink_shows_it() {
    let columns = || {
        vec![
            ("x", TypeKind::Int, Arc::new(Int32Array::from(vec![Some(1), Some(1), None])) as ArrayRef),
            ("EXPR$1", TypeKind::BigInt, Arc::new(Int64Array::from(vec![1, 2, 1])) as ArrayRef),
        ]
    };
    let kinds = vec![RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Insert];
    expect![[r#"
        +----+-------------+----------------------+
        | op |           x |               EXPR$1 |
        +----+-------------+----------------------+
        | -U |           1 |                    1 |
        | +U |           1 |                    2 |
        | +I |      <NULL> |                    1 |
        +----+-------------+----------------------+
        3 rows in set
    "#]]
    .assert_eq(&show(Style::Tableau, columns(), Some(kinds.clone())));
    expect![[r#"
        -U[1, 1]
        +U[1, 2]
        +I[<NULL>, 1]
    "#]]
    .assert_eq(&show(Style::Changelog, columns(), Some(kinds.clone())));
    expect![[r#"
        op,x,EXPR$1
        -U,1,1
        +U,1,2
        +I,,1
    "#]]
    .assert_eq(&show(Style::Csv, columns(), Some(kinds.clone())));
    expect![[r#"
        {"op":"-U","x":1,"EXPR$1":1}
        {"op":"+U","x":1,"EXPR$1":2}
        {"op":"+I","x":null,"EXPR$1":1}
    "#]]
    .assert_eq(&show(Style::Json, columns(), Some(kinds)));
}

#[test]
fn long_and_wide_cells_are_cut_as_flink_cuts_them() {
    let columns = vec![
        ("a", STRING, strings(&[Some("this is a very long text that exceeds thirty")])),
        ("b", STRING, strings(&[Some("日本語のとても長い文字列で三十を超えますよね本当に")])),
        (
            "a_column_with_a_name_longer_than_thirty_characters",
            TypeKind::Double,
            Arc::new(Float64Array::from(vec![1.5])),
        ),
    ];
    expect![[r#"
        +----+--------------------------------+--------------------------------+----------------------------------------------------+
        | op |                              a |                              b | a_column_with_a_name_longer_than_thirty_characters |
        +----+--------------------------------+--------------------------------+----------------------------------------------------+
        | +I | this is a very long text th... |  日本語のとても長い文字列で... |                                                1.5 |
        +----+--------------------------------+--------------------------------+----------------------------------------------------+
        1 row in set
    "#]]
    .assert_eq(&show(Style::Tableau, columns, None));
}

#[test]
fn widths_follow_the_type() {
    let widths = [
        (TypeKind::TinyInt, Some(4)),
        (TypeKind::SmallInt, Some(6)),
        (TypeKind::Decimal { precision: 10, scale: 2 }, Some(12)),
        (TypeKind::Boolean, Some(5)),
        (TypeKind::Date, Some(10)),
        (TypeKind::Time(0), Some(8)),
        (TypeKind::Time(3), Some(12)),
        (TypeKind::Timestamp(0), Some(19)),
        (TypeKind::Timestamp(1), Some(23)),
        (TypeKind::TimestampLtz(6), Some(26)),
        (TypeKind::Timestamp(9), Some(29)),
        (TypeKind::Double, None),
        (STRING, None),
    ];
    for (kind, expected) in widths {
        assert_eq!(tableau::type_width(&kind), expected, "{kind}");
    }
}

#[test]
fn csv_quotes_only_what_needs_it() {
    let values = strings(&[Some("a,b"), Some("say \"x\""), Some(""), None, Some("two\nlines"), Some("plain")]);
    expect![[r#"
        op,"a,""b"
        +I,"a,b"
        +I,"say ""x"""
        +I,""
        +I,
        +I,"two
        lines"
        +I,plain
    "#]]
    .assert_eq(&show(Style::Csv, vec![("a,\"b", STRING, values)], None));
}

#[test]
fn json_keeps_types_and_nests() {
    let mut list = ListBuilder::new(Int32Builder::new()).with_field(ArrowField::new("element", DataType::Int32, true));
    list.append_value([Some(1), None]);
    let entries = StructArray::from(vec![
        (Arc::new(ArrowField::new("key", DataType::Utf8, true)), strings(&[Some("k\"")])),
        (Arc::new(ArrowField::new("value", DataType::Int32, true)), Arc::new(Int32Array::from(vec![7])) as ArrayRef),
    ]);
    let (int, string) = (Box::new(LogicalType::new(TypeKind::Int)), Box::new(LogicalType::string()));
    let map_type = TypeKind::Map(string.clone(), int.clone());
    let DataType::List(entry) = map_type.arrow() else { panic!("a map is a list") };
    let map = ListArray::new(entry, arrow_offsets(&[0, 1]), Arc::new(entries), None);
    let row_type = TypeKind::Row(vec![Field::new("s", *string.clone())]);
    let DataType::Struct(fields) = row_type.arrow() else { panic!("a row is a struct") };
    let row = StructArray::new(fields, vec![strings(&[Some("tab\t\\")])], None);
    let columns: Vec<(&str, TypeKind, ArrayRef)> = vec![
        ("a", TypeKind::Array(int), Arc::new(list.finish())),
        ("m", map_type, Arc::new(map)),
        ("r", row_type, Arc::new(row)),
        ("b", TypeKind::Boolean, Arc::new(BooleanArray::from(vec![true]))),
        ("n", TypeKind::Double, Arc::new(Float64Array::from(vec![f64::NAN]))),
        ("x", TypeKind::Varbinary(9), Arc::new(BinaryArray::from(vec![b"hi!!".as_slice()]))),
        (
            "d",
            TypeKind::Decimal { precision: 5, scale: 2 },
            Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap()),
        ),
        ("t", TypeKind::Timestamp(3), Arc::new(TimestampMillisecondArray::from(vec![0]))),
    ];
    let shown = show(Style::Json, columns, None);
    expect![[r#"
        {"op":"+I","a":[1,null],"m":{"k\"":7},"r":{"s":"tab\t\\"},"b":true,"n":"NaN","x":"aGkhIQ==","d":1.50,"t":"1970-01-01 00:00:00.000"}
    "#]]
    .assert_eq(&shown);
    let parsed: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(parsed["m"]["k\""], 7);
}

fn arrow_offsets(offsets: &[i32]) -> arrow_buffer::OffsetBuffer<i32> {
    arrow_buffer::OffsetBuffer::new(offsets.to_vec().into())
}

#[test]
fn answers_are_as_wide_as_what_they_hold() {
    let rows = vec![
        vec![Some("a".to_owned()), Some("INT".to_owned()), None],
        vec![Some("long".to_owned()), Some("STRING".to_owned()), None],
    ];
    let table = TextTable::of(&["name", "type", "key"], rows);
    expect![[r#"
        +------+--------+-----+
        | name |   type | key |
        +------+--------+-----+
        |    a |    INT |     |
        | long | STRING |     |
        +------+--------+-----+
        2 rows in set
    "#]]
    .assert_eq(&text_table(Style::Tableau, &table));
    assert_eq!(text_table(Style::Csv, &table), "name,type,key\na,INT,\nlong,STRING,\n");
    expect![[r#"
        {"name":"a","type":"INT","key":null}
        {"name":"long","type":"STRING","key":null}
    "#]]
    .assert_eq(&text_table(Style::Json, &table));
    assert_eq!(text_table(Style::Tableau, &TextTable::of(&["x"], vec![])), "Empty set\n");
}

#[test]
fn no_rows_and_a_stopped_query() {
    let schema = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
    let end = |style, ending| {
        let mut out = String::new();
        rows_writer(&view(style), &schema).end(ending, &mut out);
        out
    };
    assert_eq!(end(Style::Tableau, Ending::Complete), "Empty set\n");
    assert_eq!(end(Style::Tableau, Ending::Terminated), "Query terminated, received a total of 0 rows\n");
    assert_eq!(end(Style::Tableau, Ending::Failed), "");
    assert_eq!(end(Style::Csv, Ending::Complete), "op,a\n");
    assert_eq!(end(Style::Json, Ending::Complete), "");
}
