//! What Flink makes of messages, ours must make of them; columns that are not asked for, damaged bytes, and what is
//! refused at planning.

use flott_api::options::{OptionReader, Options};
use flott_api::testing::lines;
use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, Schema, TypeKind};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::schema;
use crate::cells::{Cell, Cells, element_range};
use crate::column::{Column, Columns, Values};
use crate::{DecodeError, Decoder, DecoderSpec, Encoded, EncoderSpec, Format, Layout, format};

const TYPES3: &str = include_str!("flink/types3.proto");
const TYPES2: &str = include_str!("flink/types2.proto");
/// Written by `crates/e2e/oracle/ProtobufRecord.java`.
const FLINK: &str = include_str!("flink/messages.tsv");

fn options(class: &str, text: &str, pairs: &[(&str, &str)]) -> Options {
    let given = [("message-class-name", class), ("schema", text)];
    let all = given.iter().chain(pairs).map(|(k, v)| (format!("protobuf.{k}"), (*v).to_owned()));
    Options(all.filter(|(_, v)| !v.is_empty()).collect())
}

fn made(options: &Options) -> Result<Box<dyn Format>> {
    let reader = OptionReader::new(options, "test");
    let format = format("protobuf", &reader, "")?;
    reader.finish()?;
    Ok(format)
}

fn nullable(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

fn schema_of(fields: Vec<(&str, LogicalType)>) -> Schema {
    Schema::new(fields.into_iter().map(|(n, t)| Field::new(n, t)).collect())
}

/// The columns that Flink makes of a message.
fn columns_of(message: &MessageDescriptor, numbers: bool) -> Vec<Field> {
    message.fields().map(|f| Field::new(f.name(), type_of(&f, numbers))).collect()
}

fn type_of(field: &FieldDescriptor, numbers: bool) -> LogicalType {
    let kind = match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let part = |field: FieldDescriptor| Box::new(type_of(&field, numbers));
            return nullable(TypeKind::Map(part(entry.map_entry_key_field()), part(entry.map_entry_value_field())));
        }
        Kind::Message(message) => TypeKind::Row(columns_of(&message, numbers && !field.is_list())),
        Kind::Enum(_) if numbers => TypeKind::Int,
        Kind::Enum(_) | Kind::String => return listed(field, LogicalType::string()),
        Kind::Bytes => TypeKind::Varbinary(i32::MAX as u32),
        Kind::Bool => TypeKind::Boolean,
        Kind::Float => TypeKind::Float,
        Kind::Double => TypeKind::Double,
        Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 => TypeKind::Int,
        _ => TypeKind::BigInt,
    };
    listed(field, nullable(kind))
}

fn listed(field: &FieldDescriptor, ty: LogicalType) -> LogicalType {
    if field.is_list() { nullable(TypeKind::Array(Box::new(ty))) } else { ty }
}

fn decoder(format: &dyn Format, schema: &Schema, projection: &[usize]) -> Box<dyn Decoder> {
    let spec = DecoderSpec {
        schema: schema.clone(),
        projection: projection.to_vec(),
        metadata: Vec::new(),
        dead_letters: false,
    };
    format.decoder(&spec).unwrap()
}

fn decode(decoder: &mut dyn Decoder, messages: &[&[u8]]) -> Result<Option<ChangeBatch>, String> {
    let mut rows = Vec::new();
    decoder.decode_messages(messages, &mut rows).map_err(|e| match e {
        DecodeError::Record(bad) => format!("{}: {}", bad.at, bad.what),
        DecodeError::Other(e) => e.to_string(),
    })?;
    assert_eq!(rows.iter().sum::<u32>() as usize, decoder.rows());
    Ok((decoder.rows() > 0).then(|| decoder.take().unwrap()))
}

fn encode(format: &dyn Format, schema: &Schema, batch: &ChangeBatch) -> Result<Vec<Vec<u8>>> {
    let mut out = Encoded::default();
    format.encoder(&EncoderSpec { schema: schema.clone(), line_ends: false })?.encode(batch, &mut out)?;
    let starts = std::iter::once(&0).chain(&out.ends);
    Ok(starts.zip(&out.ends).map(|(start, end)| out.bytes[*start..*end].to_vec()).collect())
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A value as `ProtobufRecord.java` prints it.
fn text(cell: &Cell, row: usize) -> String {
    if cell.is_null(row) {
        return "~".to_owned();
    }
    match &cell.cells {
        Cells::Boolean(a) => a.value(row).to_string(),
        Cells::Int32(a) => a.value(row).to_string(),
        Cells::Int64(a) => a.value(row).to_string(),
        Cells::Float32(a) => (a.value(row).to_bits() as i32).to_string(),
        Cells::Float64(a) => (a.value(row).to_bits() as i64).to_string(),
        Cells::Text(a) => format!("'{}", hex(a.value(row).as_bytes())),
        Cells::Bytes(a) => format!("'{}", hex(a.value(row))),
        Cells::Array(list, child) => {
            let parts: Vec<String> = element_range(list, row).map(|i| text(child, i)).collect();
            format!("[{}]", parts.join(","))
        }
        Cells::Map(list, keys, values) => {
            let entry = |i| format!("{}={}", text(keys, i), text(values, i));
            let mut parts: Vec<String> = element_range(list, row).map(entry).collect();
            parts.sort();
            format!("{{{}}}", parts.join(";"))
        }
        Cells::Row(children) => row_text(children, row),
        _ => panic!("no type of Protobuf"),
    }
}

fn row_text(cells: &[Cell], row: usize) -> String {
    let parts: Vec<String> = cells.iter().map(|c| text(c, row)).collect();
    format!("({})", parts.join(","))
}

fn texts(batch: &ChangeBatch, schema: &Schema) -> Vec<String> {
    let arrays = batch.rows().columns().iter().zip(&schema.fields);
    let cells: Vec<Cell> = arrays.map(|(array, field)| Cell::new(array, &field.ty).unwrap()).collect();
    (0..batch.len()).map(|row| row_text(&cells, row)).collect()
}

/// A line that Flink wrote.
struct Case {
    group: [&'static str; 3],
    message: Vec<u8>,
    row: &'static str,
    again: &'static str,
}

fn cases() -> Vec<Case> {
    let case = |line: &'static str| {
        let parts: Vec<&str> = line.split('\t').collect();
        let group = [parts[0], parts[1], parts[2]];
        Case { group, message: unhex(parts[3]), row: parts[4], again: parts[5] }
    };
    FLINK.lines().map(case).collect()
}

fn of_group(group: [&str; 3]) -> (Box<dyn Format>, Schema) {
    let file = if group[0].contains("three") { TYPES3 } else { TYPES2 };
    let pairs = [("read-default-values", group[2]), ("write-null-string-literal", "NIL")];
    let options = options(group[0], file, &pairs);
    let message = schema::message(&OptionReader::new(&options, "test"), "protobuf.").unwrap();
    let schema = Schema::new(columns_of(&message, group[1] == "true"));
    (made(&options).unwrap(), schema)
}

#[test]
fn messages_become_flinks_rows_and_rows_flinks_messages() {
    let cases = cases();
    assert!(cases.len() > 200);
    let mut differ = Vec::new();
    for of_one in cases.chunk_by(|a, b| a.group == b.group) {
        let (format, schema) = of_group(of_one[0].group);
        let all: Vec<usize> = (0..schema.len()).collect();
        for case in of_one {
            let decoded = decode(&mut *decoder(&*format, &schema, &all), &[&case.message]);
            let Ok(Some(batch)) = decoded else {
                if case.row != "ERROR" {
                    differ.push(format!("{:?} {}: {}", case.group, hex(&case.message), decoded.unwrap_err()));
                }
                continue;
            };
            let row = texts(&batch, &schema).remove(0);
            let again = encode(&*format, &schema, &batch).map(|messages| hex(&messages[0]));
            // Java writes the entries of a map in an order of its own.
            let again = if row.contains(';') { case.again.to_owned() } else { again.unwrap_or("ERROR".to_owned()) };
            if row != case.row || again != case.again {
                differ.push(format!(
                    "{:?} {}\n {row}\n {}\n {again}\n {}",
                    case.group,
                    hex(&case.message),
                    case.row,
                    case.again
                ));
            }
        }
    }
    assert!(differ.is_empty(), "{} of {} differ from Flink:\n{}", differ.len(), cases.len(), differ.join("\n"));
}

#[test]
fn batches_of_any_size_give_the_same_rows_and_columns_alone_are_read_as_among_others() {
    let cases = cases();
    for of_one in cases.chunk_by(|a, b| a.group == b.group) {
        let (format, schema) = of_group(of_one[0].group);
        let good: Vec<&Case> = of_one.iter().filter(|c| c.row != "ERROR").collect();
        let messages: Vec<&[u8]> = good.iter().map(|c| c.message.as_slice()).collect();
        let all: Vec<usize> = (0..schema.len()).collect();
        let rows: Vec<&str> = good.iter().map(|c| c.row).collect();
        for size in [1, 7, messages.len()] {
            let mut decoder = decoder(&*format, &schema, &all);
            let piece = |piece: &[&[u8]]| texts(&decode(&mut *decoder, piece).unwrap().unwrap(), &schema);
            assert_eq!(messages.chunks(size).flat_map(piece).collect::<Vec<_>>(), rows);
        }
        let whole = decode(&mut *decoder(&*format, &schema, &all), &messages).unwrap().unwrap();
        for column in all {
            let one = decode(&mut *decoder(&*format, &schema, &[column]), &messages).unwrap().unwrap();
            assert_eq!(one.rows().column(0), whole.rows().column(column), "{}", schema.fields[column].name);
        }
        let none = decode(&mut *decoder(&*format, &schema, &[]), &messages).unwrap().unwrap();
        assert_eq!(none.len(), messages.len());
    }
}

#[test]
fn damaged_messages_are_errors_or_rows_and_a_tolerant_table_counts_them() {
    let cases = cases();
    let (mut asked, mut rows) = (0, 0);
    for of_one in cases.chunk_by(|a, b| a.group == b.group) {
        let (_, schema) = of_group(of_one[0].group);
        let file = if of_one[0].group[0].contains("three") { TYPES3 } else { TYPES2 };
        let format = made(&options(of_one[0].group[0], file, &[("ignore-parse-errors", "true")])).unwrap();
        let all: Vec<usize> = (0..schema.len()).collect();
        let mut decoder = decoder(&*format, &schema, &all);
        let (asked_before, rows_before) = (asked, rows);
        for case in of_one {
            for end in (0..case.message.len()).step_by(3) {
                let mut damaged = case.message[..=end].to_vec();
                damaged[end] ^= 1 << (end % 8);
                asked += 1;
                rows += decode(&mut *decoder, &[&damaged]).unwrap().map_or(0, |batch| batch.len() as u64);
            }
        }
        assert_eq!(decoder.take_skipped() + (rows - rows_before), asked - asked_before);
    }
    assert!(rows > 100 && asked - rows > 100);
}

#[test]
fn an_error_says_which_message_and_which_field() {
    let format = made(&options("org.flott.three.Types3.All", TYPES3, &[])).unwrap();
    let schema = schema_of(vec![("i32", nullable(TypeKind::Int)), ("text", LogicalType::string())]);
    let mut decoder = decoder(&*format, &schema, &[0, 1]);
    let error = decode(&mut *decoder, &[&[0x10, 5], &[0x72, 1, 0xff]]).unwrap_err();
    assert_eq!(error, "1: field 'text': a string is no UTF-8");
    assert_eq!(lines(&decoder.take().unwrap()), ["+I | 5 | ''"]);
    let text = |bytes: &[u8]| decode(&mut *self::decoder(&*format, &schema, &[0, 1]), &[bytes]).unwrap_err();
    assert_eq!(text(&[0x72, 2, b'x']), "0: the message ends within a value");
    assert_eq!(text(&[0x10, 0x80]), "0: the message ends within a value");
    assert_eq!(text(&[0xa3, 6]), "0: the message ends within a value");
    // Field 2 with the wire type of a string is an unknown field.
    assert_eq!(lines(&decode(&mut *decoder, &[&[0x12, 1, 9]]).unwrap().unwrap()), ["+I | 0 | ''"]);
}

fn refused(options: &Options, schema: &Schema) -> (String, String) {
    let error: Error = made(options).and_then(|format| format.check(schema)).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn columns_that_do_not_fit_are_refused_at_planning() {
    let given = options("org.flott.three.Types3$All", TYPES3, &[]);
    let of = |name: &str, ty: LogicalType| refused(&given, &schema_of(vec![(name, ty)]));
    let (message, hint) = of("rawbytes", nullable(TypeKind::Int));
    assert!(message.contains("message 'flott.three.All' has no field for column 'rawbytes'"), "{message}");
    assert_eq!(hint, "Did you mean 'raw_bytes'?");
    for (column, kind, wanted) in [
        ("i32", TypeKind::BigInt, "INT"),
        ("u64", TypeKind::Decimal { precision: 20, scale: 0 }, "BIGINT"),
        ("colour", TypeKind::TinyInt, "STRING or INT"),
        ("at", TypeKind::Timestamp(3), "ROW<..>"),
        ("packed", TypeKind::Int, "ARRAY<INT>"),
        ("counts", TypeKind::Int, "MAP<STRING, BIGINT>"),
    ] {
        let (message, hint) = of(column, nullable(kind));
        assert!(message.contains("does not take") && message.contains(column), "{message}");
        assert_eq!(hint, format!("Declare it as {wanted}."));
    }
    let inner = nullable(TypeKind::Row(vec![Field::new("z", nullable(TypeKind::Int))]));
    let (message, _) = of("inner", inner);
    assert!(message.contains("'inner'") && message.contains("'z'"), "{message}");
}

#[test]
fn a_message_that_no_row_can_become_is_refused_for_writing() {
    let format = made(&options("org.flott.two.Second$All", TYPES2, &[])).unwrap();
    let schema = schema_of(vec![("i32", nullable(TypeKind::Int))]);
    let error = encode(&*format, &schema, &flott_api::testing::batch(&schema, "+I | 1")).unwrap_err();
    assert!(error.message().contains("required field 'must' has no column"), "{error}");
    let schema = schema_of(vec![("must", nullable(TypeKind::Int))]);
    let error = encode(&*format, &schema, &flott_api::testing::batch(&schema, "+I | NULL")).unwrap_err();
    assert!(error.message().contains("required field 'must' is null"), "{error}");
    assert!(matches!(format.layout(), Layout::Messages));
}

/// A row with a null in each list, and one under null in each map, as `ProtobufRecord.java` makes it.
fn nulls(schema: &Schema, but: &str) -> ChangeBatch {
    let mut columns = Columns::new(schema);
    for (column, field) in columns.columns.iter_mut().zip(&schema.fields) {
        match &mut column.values {
            Values::List { ends, child } if field.name != but => {
                if let Values::Row(parts) = &mut child.values
                    && matches!(field.ty.kind, TypeKind::Map(..))
                {
                    parts.iter_mut().for_each(Column::push_null);
                    child.pushed();
                } else {
                    child.push_null();
                }
                ends.push(1);
                column.pushed();
            }
            Values::Int32(values) if field.name == "must" => {
                values.push(1);
                column.pushed();
            }
            _ => column.push_null(),
        }
    }
    columns.added(1);
    ChangeBatch::inserts(columns.take().unwrap())
}

#[test]
fn nulls_in_lists_and_maps_are_written_as_flink_writes_them() {
    for line in include_str!("flink/nulls.tsv").lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let (format, schema) = of_group([parts[0], parts[1], "false"]);
        let but = if parts[0].contains("two") { "inners" } else { "" };
        let messages = encode(&*format, &schema, &nulls(&schema, but)).unwrap();
        assert_eq!(hex(&messages[0]), parts[2], "{line}");
    }
    let (format, schema) = of_group(["org.flott.two.Second$All", "false", "false"]);
    let error = encode(&*format, &schema, &nulls(&schema, "")).unwrap_err();
    assert!(error.to_string().contains("field 'a' is required"), "{error}");
}

#[test]
fn the_last_of_a_maps_entries_counts_in_small_maps_and_in_large_ones() {
    let format = made(&options("flott.three.All", TYPES3, &[])).unwrap();
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(nullable(TypeKind::BigInt)));
    let schema = schema_of(vec![("counts", nullable(map))]);
    for keys in [3, 40] {
        let entry = |i: u8| [0xba, 1, 5, 0x0a, 1, b'0' + i % keys, 0x10, i];
        let message: Vec<u8> = (0..100).flat_map(entry).collect();
        let read = decode(&mut *decoder(&*format, &schema, &[0]), &[&message, &message[8..16]]).unwrap().unwrap();
        let rows = texts(&read, &schema);
        assert_eq!(rows[0].matches('=').count(), usize::from(keys));
        assert!(rows[0].contains("'30=99") == (keys == 3) && rows[0].contains("'31=97") == (keys == 3), "{}", rows[0]);
        assert!(rows[0].contains("'30=80") == (keys == 40), "{}", rows[0]);
        assert_eq!(rows[1], "({'31=1})");
    }
}

#[test]
fn an_enum_may_be_a_bigint() {
    let format = made(&options("flott.three.All", TYPES3, &[])).unwrap();
    let schema = schema_of(vec![("colour", nullable(TypeKind::BigInt))]);
    let batch = flott_api::testing::batch(&schema, "+I | 7\n+I | -3\n+I | 5");
    let messages = encode(&*format, &schema, &batch).unwrap();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let read = decode(&mut *decoder(&*format, &schema, &[0]), &messages).unwrap().unwrap();
    // 5 is none of the enum's, so the first is written.
    assert_eq!(lines(&read), ["+I | 7", "+I | -3", "+I | 0"]);
}

#[test]
fn a_descriptor_set_is_a_schema_too_and_knows_its_outer_class() {
    let text = options("flott.three.All", TYPES3, &[]);
    let message = schema::message(&OptionReader::new(&text, "test"), "protobuf.").unwrap();
    let mut set = Vec::new();
    crate::text::base64::encode(&message.parent_pool().encode_to_vec(), &mut set);
    let set = String::from_utf8(set).unwrap();
    let of = |class: &str| made(&options(class, "", &[("descriptor-set", &set)]));
    assert!(of("flott.three.All").is_ok() && of("org.flott.three.Schema$All$Inner").is_ok());
    assert!(of("org.flott.three.Types3$All").err().unwrap().message().contains("no message of the Java class"));
    let broken = made(&options("A", "", &[("descriptor-set", "CgE=")])).err().unwrap();
    assert!(broken.to_string().contains("protobuf.descriptor-set"), "{broken}");
}

#[test]
fn schemas_that_are_wrong_or_missing_are_refused() {
    let refused = |text: &str, pairs: &[(&str, &str)]| made(&options("p.M", text, pairs)).err().unwrap();
    let error = refused("", &[]);
    assert!(error.message().contains("needs option 'protobuf.schema' or 'protobuf.descriptor-set'"), "{error}");
    assert!(refused("x", &[("descriptor-set", "x")]).message().contains("both set"));
    let error = refused("syntax = \"proto3\";\n\nmessage M { strin a = 1; }", &[]);
    assert!(error.to_string().contains("line 3"), "{error}");
    let error = refused("syntax = \"proto3\";\nimport \"other.proto\";", &[]);
    assert!(error.hint().unwrap().contains("descriptor-set"), "{error}");
    let error = refused("syntax = \"proto3\"; package p; message Mine {}", &[]);
    assert_eq!(error.hint(), Some("Did you mean 'p.Mine'?"));
    let deep = format!("syntax = \"proto3\";{}{}", "message M {".repeat(5000), "}".repeat(5000));
    assert!(!refused(&deep, &[]).message().is_empty());
    let editions = refused("edition = \"2023\";\nmessage M {}", &[]);
    assert!(!editions.message().is_empty());
}

#[test]
fn javas_rules_name_the_message() {
    let finds = |head: &str, class: &str| {
        let text = format!("syntax = \"proto3\"; {head} message M {{ message N {{}} }}");
        made(&options(class, &text, &[])).is_ok()
    };
    assert!(finds("package p;", "p.AnyOuter$M") && finds("package p;", "p.Outer.M.N") && finds("", "Outer$M$N"));
    assert!(finds("package p; option java_multiple_files = true;", "p.M$N"));
    assert!(finds("package p; option java_package = \"com.x\"; option java_multiple_files = true;", "com.x.M"));
    let outer = "package p; option java_package = \"com.x\"; option java_outer_classname = \"Out\";";
    assert!(finds(outer, "com.x.Out$M") && finds(outer, "p.M") && !finds(outer, "com.x.Other$M"));
    assert!(!finds(outer, "com.xOut$M") && !finds("package p;", "p.Outer$X"));
}
