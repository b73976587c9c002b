//! Text in, text out; then random patterns and events, against a matcher that tries everything.

mod random;

use expect_test::{Expect, expect};
use flott_api::ErrorKind;

use super::*;
use crate::pattern::Pattern;
use crate::testing::{events, matches, nfa, pattern, play, shown, variable};

fn check(pattern: &str, skip: Skip, input: &str, expected: Expect) {
    expected.assert_eq(&matches(pattern, skip, input));
}

#[test]
fn one_after_the_other_without_a_gap() {
    check(
        "A B C",
        Skip::No,
        "a b c - a b - c a b c",
        expect![[r#"
        A1 B2 C3
        A9 B10 C11"#]],
    );
}

#[test]
fn a_reluctant_loop_ends_wherever_it_can() {
    check(
        "A B+? C",
        Skip::No,
        "a b bc bc c",
        expect![[r#"
        A1 B2 C3
        A1 B2 B3 C4
        A1 B2 B3 B4 C5"#]],
    );
    check(
        "A B*? C",
        Skip::PastLast,
        "a c a b c a b b c",
        expect![[r#"
        A1 C2
        A3 B4 C5
        A6 B7 B8 C9"#]],
    );
    check(
        "A B{2,3}? C",
        Skip::No,
        "a b bc bc bc bc",
        expect![[r#"
        A1 B2 B3 C4
        A1 B2 B3 B4 C5"#]],
    );
    check(
        "A{2,}? B",
        Skip::No,
        "a a a b",
        expect![[r#"
        A1 A2 A3 B4
        A2 A3 B4"#]],
    );
}

#[test]
fn a_greedy_loop_never_gives_back() {
    check(
        "A B* C",
        Skip::No,
        "a bc c a c a bc b",
        expect![[r#"
        A1 B2 C3
        A4 C5"#]],
    );
    check("A B* C", Skip::No, "a bc", expect![""]);
    check(
        "A{2,3} B",
        Skip::No,
        "a a ab b",
        expect![[r#"
        A1 A2 A3 B4
        A2 A3 B4"#]],
    );
    check(
        "A{2} B",
        Skip::No,
        "a a ab b",
        expect![[r#"
        A1 A2 B3
        A2 A3 B4"#]],
    );
}

#[test]
fn what_is_optional_may_be_left_out() {
    check(
        "A B? C?",
        Skip::No,
        "a b c",
        expect![[r#"
        A1
        A1 B2
        A1 B2 C3"#]],
    );
    check(
        "A B{0,2} C",
        Skip::No,
        "a c a b c a b b c a b b b c",
        expect![[r#"
        A1 C2
        A3 B4 C5
        A6 B7 B8 C9"#]],
    );
}

#[test]
fn groups_repeat_and_alternatives_part() {
    check(
        "(A B)+? C",
        Skip::No,
        "a b a b c",
        expect![[r#"
        A1 B2 A3 B4 C5
        A3 B4 C5"#]],
    );
    check("(A B){2} C", Skip::No, "a b a b a b c", expect!["A3 B4 A5 B6 C7"]);
    check(
        "A (B | C D) E",
        Skip::No,
        "a b e a c d e a c e",
        expect![[r#"
        A1 B2 E3
        A4 C5 D6 E7"#]],
    );
    check(
        "(A (B | C)?)* D",
        Skip::No,
        "a b a c a d",
        expect![[r#"
        A1 B2 A3 C4 A5 D6
        A3 C4 A5 D6
        A5 D6
        D6"#]],
    );
    let permuted = Pattern::permute(&["A", "B", "C"].map(pattern));
    let nfa = Nfa::new(&permuted, 3, Skip::PastLast, None).unwrap();
    let found = play(&nfa, &events("b c a c a b - a b a")).unwrap();
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["B1 C2 A3", "C4 A5 B6"]);
}

#[test]
fn a_greedy_alternative_guards_nothing_of_the_others() {
    check("(A+ | B) C", Skip::No, "b ac", expect!["B1 C2"]);
    check(
        "(A+ | B) C",
        Skip::No,
        "a ac c",
        expect![[r#"
        A1 A2 C3
        A2 C3"#]],
    );
}

#[test]
fn loops_of_what_may_be_empty_end() {
    check("(A? B?)* C", Skip::PastLast, "a b b a c", expect!["A1 B2 B3 A4 C5"]);
    check("((A?)*)* C", Skip::PastLast, "a c", expect!["A1 C2"]);
}

#[test]
fn behind_a_match_the_strategy_says_where_to_look() {
    let input = "a a b c c";
    check(
        "A+? B C+?",
        Skip::No,
        input,
        expect![[r#"
        A1 A2 B3 C4
        A2 B3 C4
        A1 A2 B3 C4 C5
        A2 B3 C4 C5"#]],
    );
    check(
        "A+? B C+?",
        Skip::ToNext,
        input,
        expect![[r#"
        A1 A2 B3 C4
        A2 B3 C4"#]],
    );
    check("A+? B C+?", Skip::PastLast, input, expect!["A1 A2 B3 C4"]);
    check(
        "A{2}? B? A",
        Skip::ToLast(variable('A')),
        "a a a a a",
        expect![[r#"
        A1 A2 A3
        A3 A4 A5"#]],
    );
    check(
        "A B+? C",
        Skip::ToFirst(variable('B')),
        "a ab ab ab c c",
        expect![[r#"
        A1 B2 B3 B4 C5
        A2 B3 B4 C5
        A3 B4 C5"#]],
    );
}

#[test]
fn a_strategy_that_finds_nothing_to_skip_to_fails() {
    let failed = |pattern: &str, skip: Skip, input: &str| {
        let error = play(&nfa(pattern, skip, None), &events(input)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        error.message().to_owned()
    };
    let skip = Skip::ToFirst(variable('B'));
    assert_eq!(failed("A B? C", skip, "a c"), "AFTER MATCH SKIP has nothing to skip to");
    let skip = Skip::ToLast(variable('A'));
    assert_eq!(failed("A B", skip, "a b"), "AFTER MATCH SKIP would find the same match again");
}

#[test]
fn a_match_that_began_later_waits_and_may_be_removed() {
    // A1 could still be complete when B3 is.
    check("A (B+? C | D)", Skip::PastLast, "a ab d", expect!["A2 D3"]);
    check("A (B+? C | D)", Skip::PastLast, "a ab bd c", expect!["A1 B2 B3 C4"]);
    check("A (B+? C | D)", Skip::PastLast, "a ab bd b", expect![""]);
}

#[test]
fn a_match_must_be_complete_within_its_time() {
    let run = |input: &str| {
        let found = play(&nfa("A B*? C", Skip::PastLast, Some(2000)), &events(input)).unwrap();
        found.iter().map(|m| format!("{} at {}", shown(m), m.found_ms)).collect::<Vec<_>>()
    };
    assert_eq!(run("a@0 b@1000 c@1999"), ["A1 B2 C3 at 1999"]);
    assert_eq!(run("a@0 b@1000 c@2000"), [""; 0]);
    // The second match is complete at 1500 and waits for the first, whose time is over at 2000.
    assert_eq!(run("a@0 ab@1000 b@1500 b@2500 b@4000"), [""; 0]);
    assert_eq!(run("a@0 b@500 a@3000 c@3500"), ["A3 C4 at 3500"]);
    let found = play(&nfa("A (B+? C | D)", Skip::PastLast, Some(2000)), &events("a@0 ab@1000 bd@1500 -@2100")).unwrap();
    assert_eq!(found.iter().map(|m| (shown(m), m.found_ms)).collect::<Vec<_>>(), [("A2 D3".to_owned(), 2100)]);
    let forever = play(&nfa("A B", Skip::No, Some(0)), &events("a@0 b@999999999")).unwrap();
    assert_eq!(forever.len(), 1);
}

#[test]
fn patterns_that_cannot_be_are_refused() {
    let refused = |text: &str| Nfa::new(&pattern(text), 26, Skip::No, None).unwrap_err();
    assert_eq!(refused("A* B?").message(), "a pattern that matches no rows at all is not supported yet");
    assert_eq!(refused("A{3,2} B").message(), "a quantifier of a pattern allows no number");
    assert_eq!(refused("A B{0,0}").message(), "a quantifier of a pattern allows no number");
    assert_eq!(refused("A{1000000}").message(), "a pattern is too large");
    assert_eq!(refused("(((A?){1000}){1000}){1000} B").message(), "a pattern is too large");
    let error = Nfa::new(&pattern("A"), 65, Skip::No, None).unwrap_err();
    assert_eq!(error.message(), "a pattern has 65 variables");
}

#[test]
fn what_looks_back_is_told_of_each_partial_match() {
    let nfa = nfa("A B+? C", Skip::No, None);
    let (mut run, mut matcher) = (Run::new(&nfa), Matcher::new(&nfa));
    for (number, event) in events("a b abc").into_iter().enumerate() {
        let seen: Vec<String> = matcher
            .partial_matches(&nfa)
            .map(|partial| {
                let taken: Vec<String> =
                    partial.backwards().map(|(v, e)| format!("{}{e}", (b'A' + v.0) as char)).collect();
                format!("{:b} {}", partial.needs().0, taken.join(" "))
            })
            .collect();
        let expected: &[&str] = match number {
            0 => &["1 "],
            1 => &["10 A1", "1 "],
            _ => &["110 B2 A1", "1 "],
        };
        assert_eq!(seen, expected);
        run.event(&mut matcher, event.at_ms, |_| event.holds, || (number + 1, 8)).unwrap();
    }
    assert_eq!(run.found.len(), 1);
    // A1 B2 B3 may go on, and A3: three events in four places.
    assert_eq!(matcher.size(), (3, 4));
}

#[test]
fn nothing_is_kept_of_matches_that_are_over() {
    let nfa = nfa("A B* C", Skip::PastLast, None);
    let (mut run, mut matcher) = (Run::new(&nfa), Matcher::new(&nfa));
    let empty = matcher.memory_bytes();
    for event in events(&"a b b c a b - ".repeat(500)) {
        run.event(&mut matcher, event.at_ms, |_| event.holds, || (0usize, 100)).unwrap();
    }
    assert_eq!((run.found.len(), matcher.size()), (500, (0, 0)));
    assert!(matcher.is_idle());
    assert_eq!(matcher.memory_bytes(), empty);
}

fn saved(matcher: &Matcher<usize>) -> Vec<u8> {
    let mut out = Vec::new();
    matcher.save(&mut out, |event, out| out.extend_from_slice(&event.to_le_bytes()));
    out
}

fn loaded(nfa: &Nfa, bytes: &[u8]) -> Result<Matcher<usize>> {
    Matcher::load(nfa, bytes, |event| {
        let bytes = event.try_into().map_err(|_| Error::corrupt("no number"))?;
        Ok((usize::from_le_bytes(bytes), 8))
    })
}

#[test]
fn damaged_bytes_are_told_and_never_panic() {
    let nfa = nfa("A (B+? C | D)", Skip::PastLast, None);
    let (mut run, mut matcher) = (Run::new(&nfa), Matcher::new(&nfa));
    for (number, event) in events("a ab abd b").into_iter().enumerate() {
        run.event(&mut matcher, event.at_ms, |_| event.holds, || (number + 1, 8)).unwrap();
    }
    assert!(matcher.complete.peek().is_some());
    let bytes = saved(&matcher);
    assert_eq!(saved(&loaded(&nfa, &bytes).unwrap()), bytes);
    for length in 0..bytes.len() {
        assert_eq!(loaded(&nfa, &bytes[..length]).unwrap_err().kind(), ErrorKind::Corrupt, "{length}");
    }
    assert!(loaded(&nfa, &[&bytes[..], &[0]].concat()).is_err());
    for place in 0..bytes.len() {
        for change in [1, 0x7f, 0x80, 0xff] {
            let mut other = bytes.clone();
            other[place] ^= change;
            if let Ok(mut matcher) = loaded(&nfa, &other) {
                // It is another state, but one that works.
                let mut run = Run::new(&nfa);
                for event in events("b c d a b c") {
                    run.event(&mut matcher, event.at_ms, |_| event.holds, || (9, 8)).unwrap();
                }
            }
        }
    }
}
