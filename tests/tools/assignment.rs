//! Assignments, held against scipy's, by which the official script matches instances.

use std::io::Write;
use std::process::{Command, Stdio};

use ndarray::Array2;
use segarena_core::volume::optimal_assignment;
use serde_json::json;

use crate::python::python_with_numpy;

/// Numbers without a pattern, the same each time (the generator of Numerical Recipes).
struct Lots(u32);

impl Lots {
    /// From 0 to 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 8) / f64::from(1 << 24)
    }
}

/// The sides of the matrices: empty ones, narrow and wide ones, and up to as many instances as a
/// byte has values for.
const SIDES: [(usize, usize); 10] = [
    (0, 3),
    (3, 0),
    (1, 1),
    (1, 9),
    (9, 1),
    (8, 8),
    (20, 33),
    (33, 20),
    (120, 200),
    (255, 255),
];

/// Matrices of every size: of any costs, of few different ones, and of the costs that instances of
/// these overlaps would have.
fn matrices() -> Vec<Array2<f64>> {
    let mut lots = Lots(42);
    let mut matrices = Vec::new();
    for (rows, columns) in SIDES {
        let shorter = rows.min(columns).max(1) as f64;
        let mut make = |cost: &dyn Fn(f64) -> f64| {
            Array2::from_shape_fn((rows, columns), |_| cost(lots.draw()))
        };
        matrices.push(make(&|lot| lot * 4.0 - 2.0));
        matrices.push(make(&|lot| (lot * 3.0).floor()));
        matrices.push(make(&|lot| {
            // Most pairs do not touch; some overlap by exactly a half.
            let iou = [0.0, 0.0, 0.0, 0.5, lot][(lot * 5.0) as usize];
            let bonus = if iou >= 0.5 { 1.0 } else { 0.0 };
            -bonus - iou / (2.0 * shorter)
        }));
    }
    matrices
}

pub(crate) fn assignments_cost_what_scipys_cost() {
    let oracle = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/tools/assignment_oracle.py"
    );
    let mut scipy = Command::new(python_with_numpy())
        .arg(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let matrices = matrices();
    let mut input = scipy.stdin.take().unwrap();
    let lines: Vec<String> = matrices
        .iter()
        .map(|costs| json!([costs.nrows(), costs.ncols(), costs.as_slice()]).to_string() + "\n")
        .collect();
    let writer = std::thread::spawn(move || input.write_all(lines.concat().as_bytes()));
    let answer = scipy.wait_with_output().unwrap();
    assert!(answer.status.success());
    writer.join().unwrap().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    let theirs: Vec<Vec<(usize, usize)>> = answer
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(theirs.len(), matrices.len());
    for (costs, theirs) in matrices.iter().zip(theirs) {
        let ours = optimal_assignment(costs.view());
        assert_eq!(ours.len(), theirs.len());
        let sum = |pairs: &[(usize, usize)]| -> f64 { pairs.iter().map(|&at| costs[at]).sum() };
        let (ours, theirs) = (sum(&ours), sum(&theirs));
        let tolerance = 1e-9 * costs.len().max(1) as f64;
        let shape = costs.dim();
        assert!(
            (ours - theirs).abs() <= tolerance,
            "{shape:?}: {ours} is not {theirs}"
        );
    }
}
