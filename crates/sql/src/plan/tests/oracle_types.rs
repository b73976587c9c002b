//! Types of expressions beside what real Flink 2.3 gave them (crates/e2e/oracle/types).

use super::World;

/// A recording of `types/`.
macro_rules! recording {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../e2e/oracle/types/", $name, ".out")))
    };
}

const RECORDINGS: [(&str, &str); 12] = [
    recording!("arith_edges"),
    recording!("arith_pairs"),
    recording!("cast_from_string"),
    recording!("cast_matrix"),
    recording!("cast_numeric"),
    recording!("cast_to_string"),
    recording!("compare_pairs"),
    recording!("decimal_mixed"),
    recording!("decimal_pairs"),
    recording!("functions"),
    recording!("functions_more"),
    recording!("logic"),
];

/// The expression without `V(..)`, the recording's identity that no planner evaluates.
fn without_identity(expr: &str) -> String {
    let (mut out, mut open, mut word) = (String::new(), Vec::new(), false);
    let mut characters = expr.chars().peekable();
    while let Some(c) = characters.next() {
        let identity = c == 'V' && !word && characters.peek() == Some(&'(');
        word = c.is_alphanumeric() || c == '_';
        match c {
            _ if identity => {
                characters.next();
                open.push(true);
                out.push('(');
                continue;
            }
            '(' => open.push(false),
            ')' => drop(open.pop()),
            _ => {}
        }
        out.push(c);
    }
    out
}

/// What a line of a recording shows.
#[derive(Debug, PartialEq)]
enum Outcome {
    Equal,
    /// We refuse what Flink runs.
    Refused,
    /// We give another type, or run what Flink refuses.
    Wrong,
}

/// Expressions whose type here is another one: without `V` the digits are a constant, which the type then knows.
const KNOWN: [&str; 2] = ["ROUND(V(1.2345), V(2))", "TRUNCATE(V(1.2345), V(2))"];

fn outcome(world: &World, expr: &str, theirs: &str, value: &str) -> Outcome {
    let refuses = theirs == "refused" || value.starts_with("error: ");
    match world.bound(&format!("SELECT {}", without_identity(expr))) {
        Ok(ours) if ours.strip_prefix("EXPR$0 ") == Some(theirs) || KNOWN.contains(&expr) => Outcome::Equal,
        Ok(_) => Outcome::Wrong,
        Err(_) if refuses => Outcome::Equal,
        Err(_) => Outcome::Refused,
    }
}

#[test]
fn expressions_have_flinks_types() {
    let world = World::new();
    let (mut lines, mut refused) = (0, Vec::new());
    for (name, recorded) in RECORDINGS {
        for line in recorded.lines().filter(|l| !l.starts_with("--")) {
            let mut fields = line.split('\t');
            let (Some(expr), Some(theirs), Some(value)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            lines += 1;
            match outcome(&world, expr, theirs, value) {
                Outcome::Equal => {}
                Outcome::Refused => refused.push(expr),
                Outcome::Wrong => panic!(
                    "{name}: {expr} is {} here, {theirs} in Flink",
                    world.columns(&format!("SELECT {}", without_identity(expr)))
                ),
            }
        }
    }
    assert!(lines > 4000, "only {lines} expressions were compared");
    // Functions that are not built yet, and syntax that the parser does not read yet.
    assert!(refused.len() <= 30, "{} of {lines} are refused: {refused:#?}", refused.len());
}
