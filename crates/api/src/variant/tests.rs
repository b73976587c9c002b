//! Bytes are those of Flink's `BinaryVariantInternalBuilder`.

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn built(keep_last: bool, write: impl FnOnce(&mut VariantBuilder) -> Result<()>) -> Result<Vec<u8>> {
    let (mut builder, mut out) = (VariantBuilder::default(), Vec::new());
    // What an earlier variant left behind must not show.
    builder.begin(true);
    let object = builder.begin_object();
    builder.field(object, "left");
    builder.begin(keep_last);
    write(&mut builder)?;
    builder.finish(&mut out)?;
    Ok(out)
}

fn bytes(write: impl FnOnce(&mut VariantBuilder)) -> String {
    let written = built(false, |b| {
        write(b);
        Ok(())
    });
    hex(&written.unwrap())
}

/// `{"b":1,"a":{"b":2,"c":[]}}`
fn nested(b: &mut VariantBuilder) -> Result<()> {
    let outer = b.begin_object();
    b.field(outer, "b");
    b.integer(1);
    b.field(outer, "a");
    let inner = b.begin_object();
    b.field(inner, "b");
    b.integer(2);
    b.field(inner, "c");
    let array = b.begin_array();
    b.end_array(array)?;
    b.end_object(inner)?;
    b.end_object(outer)
}

#[test]
fn primitives_take_as_few_bytes_as_they_need() {
    assert_eq!(bytes(VariantBuilder::null), "01000000");
    assert_eq!(bytes(|b| b.boolean(true)), "01000004");
    assert_eq!(bytes(|b| b.integer(1)), "0100000c01");
    assert_eq!(bytes(|b| b.integer(-129)), "010000107fff");
    assert_eq!(bytes(|b| b.integer(70_000)), "0100001470110100");
    assert_eq!(bytes(|b| b.integer(i64::MIN)), "010000180000000000000080");
    assert_eq!(bytes(|b| b.double(1500.0)), "0100001c0000000000709740");
    assert_eq!(bytes(|b| b.decimal(150, 2)), "010000200296000000");
    assert_eq!(bytes(|b| b.decimal(0, 1)), "010000200100000000");
    assert_eq!(bytes(|b| b.decimal(-123_456_789_015, 1)), "0100002401e9e56641e3ffffff");
    let wide = "0100002802213a20d80b3b12ed4200000000000000";
    assert_eq!(bytes(|b| b.decimal(1_234_567_890_123_456_789_025, 2)), wide);
    assert_eq!(bytes(|b| b.text("a").unwrap()), "0100000561");
    let long = "0123456789".repeat(6) + "0123";
    assert_eq!(bytes(|b| b.text(&long).unwrap()), format!("0100004040000000{}", hex(long.as_bytes())));
}

#[test]
fn names_are_sorted_and_their_ids_are_not() {
    let found = built(false, nested).unwrap();
    assert_eq!(hex(&found), "0103000102036261630202010002000e0c01020200020002050c02030000");
    let variant = Variant::read(&found).unwrap();
    let Node::Object(fields) = variant.node().unwrap() else { panic!("no object") };
    assert_eq!((fields.name(0).unwrap(), fields.name(1).unwrap(), fields.len()), ("a", "b", 2));
    assert!(matches!(fields.get("b").unwrap().unwrap().node().unwrap(), Node::Integer(1)));
    assert!(fields.get("c").unwrap().is_none());
    // What is taken out keeps the names of the whole.
    let mut out = Vec::new();
    fields.get("a").unwrap().unwrap().write(&mut out).unwrap();
    assert_eq!(hex(&out), "010300010203626163020200020002050c02030000");
}

#[test]
fn of_a_name_that_comes_twice_the_last_value_counts() {
    let twice = |b: &mut VariantBuilder| {
        let object = b.begin_object();
        b.field(object, "b");
        let array = b.begin_array();
        b.element(array);
        b.integer(1);
        b.element(array);
        b.integer(2);
        b.end_array(array)?;
        b.field(object, "a");
        b.integer(1);
        b.field(object, "b");
        b.integer(3);
        b.field(object, "c");
        b.text("x")?;
        b.field(object, "a");
        b.null();
        b.end_object(object)
    };
    assert_eq!(hex(&built(true, twice).unwrap()), "0103000102036261630203010002040002050c03057800");
    assert_eq!(built(false, twice).unwrap_err().message(), "the key 'a' comes twice in an object");
}

#[test]
fn arrays_know_their_elements() {
    let found = built(false, |b| {
        let array = b.begin_array();
        for i in 0..300 {
            b.element(array);
            b.integer(i);
        }
        b.end_array(array)
    });
    let found = found.unwrap();
    let Node::Array(elements) = Variant::read(&found).unwrap().node().unwrap() else { panic!("no array") };
    assert_eq!(elements.len(), 300);
    assert!(matches!(elements.get(299).unwrap().node().unwrap(), Node::Integer(299)));
    assert!(elements.get(301).is_err());
}

#[test]
fn many_names_are_searched_by_halves() {
    let names: Vec<String> = (0..300).map(|i| format!("k{}", i * 7 % 300)).collect();
    let found = built(false, |b| {
        let object = b.begin_object();
        for (i, name) in names.iter().enumerate() {
            b.field(object, name);
            b.integer(i as i64);
        }
        b.end_object(object)
    });
    let found = found.unwrap();
    let Node::Object(fields) = Variant::read(&found).unwrap().node().unwrap() else { panic!("no object") };
    for (i, name) in names.iter().enumerate() {
        let value = fields.get(name).unwrap().unwrap().node().unwrap();
        assert!(matches!(value, Node::Integer(found) if found == i as i64), "{name}");
    }
    assert!(fields.get("k300").unwrap().is_none());
}

#[test]
fn what_is_too_large_is_refused() {
    let large = "x".repeat(SIZE_MAX);
    let error = built(false, |b| b.text(&large)).unwrap_err();
    assert_eq!(error.message(), "a variant is larger than 16 MiB");
    assert!(built(false, |b| b.text(&large[..SIZE_MAX - 5])).is_ok());
    let named = built(false, |b| {
        let object = b.begin_object();
        b.field(object, &large);
        b.null();
        b.end_object(object)
    });
    assert!(named.is_err());
}

#[test]
fn damaged_bytes_are_an_error_wherever_they_are_cut_or_changed() {
    let good = built(false, nested).unwrap();
    let visit = |bytes: &[u8]| -> Result<()> {
        let variant = Variant::read(bytes)?;
        let Node::Object(fields) = variant.node()? else { return Err(damaged()) };
        let inner = fields.get("a")?.ok_or_else(damaged)?;
        inner.write(&mut Vec::new())?;
        let Node::Object(fields) = inner.node()? else { return Err(damaged()) };
        fields.get("c")?.ok_or_else(damaged)?.node().map(|_| ())
    };
    visit(&good).unwrap();
    for cut in 0..good.len() {
        assert!(visit(&good[..cut]).is_err(), "{cut}");
        for bit in 0..8 {
            let mut changed = good.clone();
            changed[cut] ^= 1 << bit;
            // Another value, or an error; never a panic.
            drop(visit(&changed));
        }
    }
}
