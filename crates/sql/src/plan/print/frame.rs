//! Frames of `OVER`.

use flott_graph::spec::{Frame, FrameBound, FrameUnit};

/// ` ROWS BETWEEN 1 PRECEDING AND CURRENT ROW`
pub(in crate::plan) fn frame(frame: &Frame) -> String {
    let unit = match frame.unit {
        FrameUnit::Rows => "ROWS",
        FrameUnit::Range => "RANGE",
    };
    let start = bound(frame.start, "UNBOUNDED PRECEDING");
    format!(" {unit} BETWEEN {start} AND {}", bound(frame.end, "UNBOUNDED FOLLOWING"))
}

fn bound(bound: FrameBound, unbounded: &str) -> String {
    match bound {
        FrameBound::Unbounded => unbounded.to_owned(),
        FrameBound::Current => "CURRENT ROW".to_owned(),
        FrameBound::Distance { steps, scale } => {
            let places = usize::from(scale);
            let digits = format!("{:0>width$}", steps.unsigned_abs(), width = places + 1);
            let (whole, part) = digits.split_at(digits.len() - places);
            let point = if part.is_empty() { "" } else { "." };
            format!("{whole}{point}{part} {}", if steps > 0 { "FOLLOWING" } else { "PRECEDING" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_has_its_side_and_its_point() {
        let distance = |steps, scale| FrameBound::Distance { steps, scale };
        let between = |start, end| frame(&Frame { unit: FrameUnit::Range, start, end });
        assert_eq!(between(distance(-5, 0), distance(12, 1)), " RANGE BETWEEN 5 PRECEDING AND 1.2 FOLLOWING");
        let all = between(FrameBound::Unbounded, FrameBound::Unbounded);
        assert_eq!(all, " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING");
        assert_eq!(between(distance(-5, 2), FrameBound::Current), " RANGE BETWEEN 0.05 PRECEDING AND CURRENT ROW");
    }
}
