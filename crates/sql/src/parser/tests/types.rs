//! Types: how they are written and what they mean.

use expect_test::expect;

use super::*;
use ast::SqlType;

fn meaning(text: &str) -> String {
    match SqlType::parse(text).and_then(|t| t.to_logical()) {
        Ok(logical) => format!("{text} -> {logical}\n"),
        Err(error) => format!("{text} -> {error}\n"),
    }
}

#[test]
fn written_types_print_canonically() {
    let types = [
        ("integer", "INT"),
        ("dec(5)", "DECIMAL(5)"),
        ("numeric(5, 2)", "DECIMAL(5, 2)"),
        ("character varying(3)", "VARCHAR(3)"),
        ("binary varying(3)", "VARBINARY(3)"),
        ("double precision", "DOUBLE"),
        ("timestamp(3) with local time zone", "TIMESTAMP_LTZ(3)"),
        ("timestamp with time zone", "TIMESTAMP WITH TIME ZONE"),
        ("timestamp(9) without time zone", "TIMESTAMP(9)"),
        ("int not null array not null multiset", "MULTISET<ARRAY<INT NOT NULL> NOT NULL>"),
        ("row(a int, b string 'x')", "ROW<a INT, b STRING 'x'>"),
        ("row<>", "ROW<>"),
        ("structured<'a.B', x int not null>", "STRUCTURED<'a.B', x INT NOT NULL>"),
        ("raw('a', 'b')", "RAW('a', 'b')"),
        ("interval year to month", "INTERVAL YEAR TO MONTH"),
        ("map<array<int>, row<`a b` bytes>>", "MAP<ARRAY<INT>, ROW<`a b` BYTES>>"),
    ];
    for (text, printed) in types {
        let parsed = SqlType::parse(text).unwrap();
        assert_eq!(parsed.to_string(), printed);
        assert_eq!(SqlType::parse(printed).unwrap(), parsed);
    }
}

#[test]
fn types_mean_what_flink_says() {
    let types = [
        "CHAR",
        "VARCHAR(5)",
        "STRING",
        "BYTES",
        "DECIMAL",
        "DECIMAL(38, 38)",
        "TIME(3)",
        "TIMESTAMP",
        "TIMESTAMP_LTZ(9)",
        "TIMESTAMP(0) WITH TIME ZONE",
        "INTERVAL MONTH",
        "INTERVAL HOUR TO MINUTE",
        "ROW<a INT NOT NULL, b MAP<STRING, INT>>",
        "INT MULTISET NOT NULL",
        "VARIANT",
        "BITMAP",
        "RAW('a', 'b')",
        "STRUCTURED<'x', a INT>",
        "NULL",
        "UUID",
        "CHAR(0)",
        "DECIMAL(39)",
        "DECIMAL(5, 6)",
        "TIMESTAMP(10)",
        "VARCHAR(3000000000)",
        "ARRAY<UUID>",
        "INT INT",
        "ARRAY<INT",
        "TIME WITH TIME ZONE",
        "VARCHAR(99999999999)",
    ];
    expect![[r#"
        CHAR -> CHAR(1)
        VARCHAR(5) -> VARCHAR(5)
        STRING -> STRING
        BYTES -> BYTES
        DECIMAL -> DECIMAL(10, 0)
        DECIMAL(38, 38) -> DECIMAL(38, 38)
        TIME(3) -> TIME(3)
        TIMESTAMP -> TIMESTAMP(6)
        TIMESTAMP_LTZ(9) -> TIMESTAMP_LTZ(9)
        TIMESTAMP(0) WITH TIME ZONE -> TIMESTAMP(0) WITH TIME ZONE
        INTERVAL MONTH -> INTERVAL MONTH
        INTERVAL HOUR TO MINUTE -> INTERVAL SECOND(3)
        ROW<a INT NOT NULL, b MAP<STRING, INT>> -> ROW<`a` INT NOT NULL, `b` MAP<STRING, INT>>
        INT MULTISET NOT NULL -> MULTISET<INT> NOT NULL
        VARIANT -> VARIANT
        BITMAP -> BITMAP
        RAW('a', 'b') -> RAW('a', 'b')
        STRUCTURED<'x', a INT> -> STRUCTURED<'x', `a` INT>
        NULL -> NULL
        UUID -> type 'UUID' does not exist
        CHAR(0) -> length 0 of type 'CHAR' is out of range
        DECIMAL(39) -> precision 39 of type 'DECIMAL' is out of range
        DECIMAL(5, 6) -> scale 6 of type 'DECIMAL' is out of range
        TIMESTAMP(10) -> precision 10 of type 'TIMESTAMP' is out of range
        VARCHAR(3000000000) -> length 3000000000 of type 'VARCHAR' is out of range
        ARRAY<UUID> -> type 'UUID' does not exist
        INT INT -> expected the end of the type, found 'INT'
        ARRAY<INT -> expected '>', found end of input
        TIME WITH TIME ZONE -> TIME takes no time zone
        VARCHAR(99999999999) -> number 99999999999 is out of range
    "#]]
    .assert_eq(&types.map(meaning).concat());
}
