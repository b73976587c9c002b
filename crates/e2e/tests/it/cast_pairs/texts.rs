//! What the texts of the matrix are, by what they are cast to.

use super::values::{Family, Target};

const DATES: &[&str] = &[
    "2020-02-29",
    "10000-01-01",
    "2021-02-29",
    "0000-01-01",
    "9999-12-31",
    "2020-13-01",
    "2020-1-2",
    "2020-02",
    "2020",
    " 2020-02-29 ",
    "2020-02-29 12:00:00",
    "2020-02-29T12:00:00",
    "-0001-01-01",
    "20200229",
    "today",
    "",
];

const TIMES: &[&str] = &[
    "12:34:56",
    "24:00:00",
    "noon",
    "12:34:56.789",
    "12:34:56.7895",
    "23:59:59.9999999",
    "12:34",
    "12",
    "1:2:3",
    "12:60:00",
    " 12:34:56",
    "12:34:56Z",
    "-1:00:00",
    "",
];

const TIMESTAMPS: &[&str] = &[
    "2020-02-29 12:34:56.123456789",
    "10000-01-01 00:00:00",
    "never",
    "2020-02-29",
    "2021-02-29 00:00:00",
    "2020-02-29 24:00:00",
    "2020-02-29T12:34:56",
    "1969-12-31 23:59:59.9999",
    "0000-01-01 00:00:00",
    "9999-12-31 23:59:59.999999999",
    "2020-02-29 12:34",
    "2020-2-9 1:2:3",
    "2020-02-29 12:34:56.1234567891",
    "2020-02-29 12:34:56Z",
    " 2020-02-29 12:34:56",
    "2020-02-30 25:00:00",
    "2020-04-31 00:00:00",
    "",
];

/// Texts as values of a type of text: for `STRING` all, for the others a plain one, a long one and a bad one.
pub(super) fn for_target(ty: &str, target: &Target) -> Vec<String> {
    let texts = texts(target);
    let few = if ty == "STRING" { texts.len() } else { 3 };
    texts.iter().take(few).map(|text| format!("CAST('{text}' AS {ty})")).collect()
}

/// A good text first, then one that is too large and one that is bad.
fn texts(target: &Target) -> &'static [&'static str] {
    match (target.ty, target.family) {
        (_, Family::Text) => &["ab", "abcdef", "", "äöüß", "a b", "a  "],
        (_, Family::Bytes) => &["ab", "abcdef", "", "äß€", "abc"],
        (_, Family::Boolean) => &["true", "2", "maybe", "F", " true", "1", "no", "", "TrUe"],
        ("DECIMAL(5, 2)", _) => &[
            "12.345", "1000", "abc", "-999.99", "999.995", "1e2", " 7 ", "", ".5", "+5", "-0.005", "1,5", "NaN",
            "0x10", "1e-400",
        ],
        ("DECIMAL(38, 10)", _) => &[
            "12.345",
            "1e28",
            "1.2.3",
            "-9999999999999999999999999999.9999999999",
            "1e27",
            "0.00000000005",
            "Infinity",
            "1e",
        ],
        ("TINYINT", _) => {
            &["12", "128", "12a", "-128", "-129", "1.9", " 5 ", "+5", "", "-", ".5", "1e1", "99999999999999999999"]
        }
        ("SMALLINT", _) => &["12", "32768", "12a", "-32768", "-32769", "1.9", ""],
        ("INT", _) => &["12", "2147483648", "12a", "-2147483648", "-2147483649", "1.", "0012", "1_000", "", "1 2"],
        ("BIGINT", _) => {
            &["12", "9223372036854775808", "12L", "-9223372036854775808", "-9223372036854775809", "9e3", "٣", ""]
        }
        ("FLOAT", _) => {
            &["1.5", "1e39", "1.5x", "16777217", "1e-46", "NaN", "-Infinity", "inf", " 2 ", "0x1p3", "1f", "", "-0"]
        }
        ("DOUBLE", _) => &["1.5", "1e309", "1.5x", "1e-325", "nan", "Infinity", "+1", "1d", ".", "1e", "", "0.1"],
        (_, Family::Date) => DATES,
        (_, Family::Time) => TIMES,
        (_, Family::Timestamp | Family::Local) => TIMESTAMPS,
        (_, Family::Months) => &["1-2"],
        (_, Family::Seconds) => &["1 02:03:04.567"],
        (_, Family::Array) => &["[1, 2]"],
        (_, Family::Map | Family::Multiset) => &["{a=1}"],
        (_, Family::Row) => &["(1, x)"],
        _ => &["12"],
    }
}
