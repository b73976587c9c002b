//! Tests of the reader: what fools a search by text must not fool it.

use super::*;

#[test]
fn strings_and_comments_are_not_code() {
    let source = r##"let a = "fn x() {"; // fn y() {
let b = r#"fn " z() {"#; /* fn /* deep */ w() { */ let c = '{'; let d = b"}"; let e: &'static str = "\"}";"##;
    let masked = mask(source);
    assert!(functions(&masked.code).is_empty(), "{}", masked.code);
    assert!(!masked.code.contains(['{', '}']), "{}", masked.code);
    assert!(masked.comments.contains("fn y() {") && masked.comments.contains("w() {"));
    assert!(!masked.comments.contains("fn x"));
    assert!(masked.code.contains("&'static str"));
    assert_eq!(masked.code.len(), source.len());
}

#[test]
fn odd_ends_do_not_hang_or_panic() {
    for source in ["\"", "'", "'\\", "r#\"", "/*", "b'", "'é'", "'é", "fn", "fn a(", "fn a() {", "\"\\"] {
        let masked = mask(source);
        assert_eq!(masked.code.lines().count(), source.lines().count());
        assert!(functions(&masked.code).len() <= 1);
        assert!(test_lines(&masked.code).len() <= 1);
    }
}

#[test]
fn a_function_counts_its_code_lines() {
    let source = "fn one(a: [u8; 2]) -> u8\nwhere\n    u8: Copy,\n{\n    // why\n\n    a[0]\n        + a[1]\n}\ntrait T {\n    fn none(&self);\n}\n";
    let found = functions(&mask(source).code);
    assert_eq!(found, vec![Function { name: "one".to_owned(), line: 1, code_lines: 2 }]);
}

#[test]
fn a_function_pointer_type_is_no_function() {
    assert_eq!(
        functions("struct S { f: fn(u8) -> u8 }\nfn g() { }"),
        [Function { name: "g".to_owned(), line: 2, code_lines: 0 }]
    );
}

#[test]
fn test_items_are_marked() {
    let source =
        "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
    assert_eq!(test_lines(source), [false, true, true, true, true, false, true, true, false]);
}

#[test]
fn words_are_whole() {
    let found: Vec<&str> = words("a_b.c2(d)").map(|(_, word)| word).collect();
    assert_eq!(found, ["a_b", "c2", "d"]);
}
