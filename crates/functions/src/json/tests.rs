//! Texts and paths that are made to hurt: they must neither overflow the stack of a task's thread nor take long.

use std::time::Duration;

use super::path::{Answer, JsonPath, Outcome};
use super::scan::Scanner;
use super::tree::Tree;

fn found(text: &str, path: &str) -> Option<String> {
    let path = JsonPath::parse(path).unwrap();
    let mut answer = Answer::default();
    let outcome = answer.of(text, &path);
    let id = answer.node(text, outcome)?;
    let mut out = String::new();
    answer.tree.write(id, &mut out);
    Some(out)
}

fn fails(text: &str, path: &str) -> bool {
    matches!(Answer::default().of(text, &JsonPath::parse(path).unwrap()), Outcome::Failed(_))
}

/// Far more than any of them takes, even without optimisation.
#[expect(clippy::disallowed_types, reason = "what takes too long is seen by the real clock")]
fn quick(what: &str, work: impl FnOnce()) {
    let start = std::time::Instant::now();
    work();
    assert!(start.elapsed() < Duration::from_secs(20), "{what} took {:?}", start.elapsed());
}

fn arrays(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn objects(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

#[test]
fn the_deepest_values_are_read_and_written() {
    for text in [arrays(1000), objects(1000)] {
        assert_eq!(found(&text, "$"), Some(text.clone()));
        assert_eq!(found(&text, "$[?(@ == $)]").map(|_| ()), Some(()));
        assert!(found(&text, "$..*").is_some());
        assert!(found(&text, "$..[?(@.x == 1)]").is_some());
        assert!(found(&text, "$..a..x").is_some());
    }
    assert!(found(&objects(1000), &format!("${}", ".a".repeat(1000))).is_some());
    assert!(found(&objects(1000), &format!("${}.*", ".a".repeat(999))).is_some());
    for text in [arrays(1001), objects(1001), "[".repeat(1 << 20), r#"{"a":"#.repeat(1 << 18)] {
        assert!(Scanner::new(&text).skip().is_err());
        assert!(Tree::default().read(&mut Scanner::new(&text)).is_err());
        assert!(fails(&text, "strict $..a"));
    }
}

#[test]
fn a_path_within_a_path_within_a_path_fails_before_the_stack_does() {
    let text = objects(1000);
    let deep = ".a".repeat(500);
    let condition = |inner: &str| format!("${deep}[?({inner} == 1)]");
    let nested = condition(&condition(&condition(&condition("@.x"))));
    let path = JsonPath::parse(&nested).unwrap();
    assert_eq!(Answer::default().of(&text, &path), Outcome::Failed("the path looks too deep"));
    assert!(found(&text, &condition(&condition("@.x"))).is_some());
}

#[test]
fn paths_nest_only_so_deep() {
    let filters = |n: usize| format!("${}{}", "[?(@".repeat(n), " == 1)]".repeat(n));
    let functions = |n: usize| format!("{}{}", "$.concat(".repeat(n), ")".repeat(n));
    let negations = |n: usize| format!("$[?({}@.a == 1{})]", "!(".repeat(n), ")".repeat(n));
    let bangs = |n: usize| format!("$[?({}(@.a == 1))]", "!".repeat(n));
    let conditions = |n: usize| format!("$[?({})]", ["@.a == 1"; 1].repeat(n).join(" || "));
    for make in [&filters as &dyn Fn(usize) -> String, &functions, &negations, &bangs, &conditions] {
        for n in [1, 8, 15, 30, 32, 190, 10_000] {
            // Whether it is understood is not the question.
            let _ = found(r#"{"a":[{"a":1}]}"#, &make(n));
        }
    }
    assert_eq!(found(r#"[{"a":1}]"#, &negations(14)), Some(r#"[{"a":1}]"#.into()));
    assert!(fails("[1]", &filters(10_000)));
}

#[test]
fn long_paths_are_understood_quickly() {
    quick("a path of many names", || {
        assert!(fails("{}", &format!("strict ${}", ".a".repeat(100_000))));
    });
    quick("a path of many open brackets", || {
        assert!(fails("{}", &format!("strict ${}", "['".repeat(50_000))));
        assert!(fails("{}", &format!("strict ${}", "[?".repeat(50_000))));
    });
    quick("a path of many names in one bracket", || {
        let names = vec!["'a'"; 20_000].join(",");
        assert_eq!(found(r#"{"a":1}"#, &format!("$[{names}]")), Some(r#"{"a":1}"#.into()));
    });
}

#[test]
fn large_texts_take_time_in_proportion() {
    let names: Vec<String> = (0..100_000).map(|i| format!(r#""k{i}":{i}"#)).collect();
    let object = format!("{{{}}}", names.join(","));
    let same = format!("{{{}}}", vec![r#""k":1"#; 100_000].join(","));
    let array = format!("[{}]", vec![r#"{"a":1}"#; 50_000].join(","));
    quick("a large object", || assert_eq!(found(&object, "$.k99999"), Some("99999".into())));
    quick("the values of a large object", || assert!(found(&object, "$.*").is_some()));
    quick("one name again and again", || assert_eq!(found(&same, "$['k', 'x']"), Some(r#"{"k":1}"#.into())));
    quick("a filter over many items", || assert!(found(&array, "$[?(@.a == 1 && @.b != 2)]").is_some()));
    quick("two large objects that are equal", || {
        assert_eq!(found(&format!("[{{\"a\":{object},\"b\":{object}}}]"), "$[?(@.a == @.b)].x"), Some("[]".into()));
    });
    quick("a long text full of escapes", || {
        let text = format!("\"{}\"", r"\u00e9\n\\".repeat(100_000));
        assert_eq!(found(&text, "$").map(|t| t.len()), Some(2 + 6 * 100_000));
    });
}

#[test]
fn numbers_of_any_size_are_kept() {
    let nines = "9".repeat(1000);
    for number in [&nines, "1E+2147483647", "-1E-2147483647", "0E-400", "123456789012345678901234567890.5"] {
        assert_eq!(found(&format!("[{number}]"), "$[0]").as_deref(), Some(number));
    }
    for number in ["9".repeat(1001), "1E2147483648".into(), "1E-2147483648".into(), "1e99999999999999999999".into()] {
        assert!(fails(&format!("[{number}]"), "strict $[0]"), "{number}");
    }
    assert_eq!(found(&format!("[{nines},1]"), "$[?(@ > 5)]"), Some(format!("[{nines}]")));
    assert_eq!(found("[1E+2147483647,1]", "$[?(@ > 5)]"), Some("[1E+2147483647]".into()));
}

#[test]
fn halves_of_pairs_become_question_marks() {
    let text = r#"{"\ud83d":"\ude00x\ud83d","b":"\ud83d\ude00"}"#;
    assert_eq!(found(text, "$"), Some(r#"{"?":"?x?","b":"😀"}"#.into()));
    assert_eq!(found(text, "$['?']"), Some(r#""?x?""#.into()));
}

/// The texts that the formats of JSON are tested with, and what `IS JSON` says of each.
#[test]
fn the_corpus_of_the_formats_is_json_or_not() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../formats/src/json/corpus.tsv");
    let corpus = std::fs::read_to_string(corpus).unwrap();
    let (mut checked, mut wrong) = (0, Vec::new());
    for line in corpus.lines().filter(|l| !l.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let expected = match cells[0] {
            "accept" => "yes",
            "reject" => "no",
            _ => cells[3],
        };
        let Ok(text) = String::from_utf8(bytes(cells[1])) else { continue };
        let found = Scanner::new(&text).skip();
        assert_eq!(found.is_ok(), Tree::default().read(&mut Scanner::new(&text)).is_ok(), "{}", cells[1]);
        checked += 1;
        if expected != if found.is_ok() { "yes" } else { "no" } {
            wrong.push(cells[1].to_owned());
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 700, "{checked}");
}

/// A percent sign and two digits stand for a byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).unwrap());
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    out
}
