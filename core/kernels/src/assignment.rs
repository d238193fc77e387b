//! Optimal assignment: as many pairs of rows and columns as there can be, at the least cost.

use ndarray::{ArrayView2, Axis};

/// Assigns rows to columns, each at most once and as many as the shorter side has, so that the
/// sum of the costs is least. The pairs `(row, column)`, rows ascending.
///
/// Shortest augmenting paths with dual prices (Jonker and Volgenant, "A shortest augmenting path
/// algorithm for dense and sparse linear assignment problems", Computing 38, 1987), one row after
/// the other; O(n²m) for n rows and m ≥ n columns. Costs are floats and finite: only minima of
/// them are taken, none is expected to be exactly 0.
pub fn optimal_assignment(costs: ArrayView2<'_, f64>) -> Vec<(usize, usize)> {
    let transposed = costs.nrows() > costs.ncols();
    let costs = if transposed { costs.t() } else { costs };
    let mut prices = Prices::new(costs);
    for row in 0..costs.nrows() {
        prices.assign(row);
    }
    let columns = prices.row_of.iter().enumerate();
    let mut pairs: Vec<_> = columns
        .filter_map(|(column, row)| row.map(|row| (row, column)))
        .map(|(row, column)| {
            if transposed {
                (column, row)
            } else {
                (row, column)
            }
        })
        .collect();
    pairs.sort_unstable();
    pairs
}

/// The assignment so far, and the dual prices that prove it optimal.
struct Prices<'a> {
    costs: ArrayView2<'a, f64>,
    of_rows: Vec<f64>,
    of_columns: Vec<f64>,
    row_of: Vec<Option<usize>>,
}

impl<'a> Prices<'a> {
    fn new(costs: ArrayView2<'a, f64>) -> Self {
        Self {
            costs,
            of_rows: vec![0.0; costs.nrows()],
            of_columns: vec![0.0; costs.ncols()],
            row_of: vec![None; costs.ncols()],
        }
    }

    /// Assigns one more row along the shortest path of exchanges to a free column.
    fn assign(&mut self, row: usize) {
        let columns = self.row_of.len();
        let mut length = vec![f64::INFINITY; columns];
        let mut reached_from = vec![row; columns];
        let mut reached = vec![false; columns];
        let (mut from, mut so_far) = (row, 0.0);
        let free = loop {
            let costs = self.costs.index_axis(Axis(0), from);
            let mut nearest: Option<usize> = None;
            for column in (0..columns).filter(|&column| !reached[column]) {
                let reduced = costs[column] - self.of_rows[from] - self.of_columns[column];
                if so_far + reduced < length[column] {
                    length[column] = so_far + reduced;
                    reached_from[column] = from;
                }
                let is_nearer = nearest.is_none_or(|nearest| {
                    length[column] < length[nearest]
                        || (length[column] == length[nearest] && self.row_of[column].is_none())
                });
                if is_nearer {
                    nearest = Some(column);
                }
            }
            // There are no fewer columns than rows, so one is free.
            let Some(nearest) = nearest else { return };
            reached[nearest] = true;
            so_far = length[nearest];
            match self.row_of[nearest] {
                Some(other) => from = other,
                None => break nearest,
            }
        };
        self.of_rows[row] += so_far;
        for column in (0..columns).filter(|&column| reached[column]) {
            let gain = so_far - length[column];
            self.of_columns[column] -= gain;
            if let Some(other) = self.row_of[column] {
                self.of_rows[other] += gain;
            }
        }
        self.exchange(row, free, &reached_from);
    }

    /// Gives each column of the path to the row that it was reached from.
    fn exchange(&mut self, row: usize, free: usize, reached_from: &[usize]) {
        let mut column = free;
        loop {
            let taker = reached_from[column];
            let given_up = self.row_of.iter().position(|&of| of == Some(taker));
            self.row_of[column] = Some(taker);
            match given_up {
                Some(next) if taker != row => column = next,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};
    use proptest::prelude::*;

    use super::*;

    /// The least sum, by trying every assignment.
    fn least(costs: ArrayView2<'_, f64>) -> f64 {
        fn from(costs: ArrayView2<'_, f64>, row: usize, taken: &mut Vec<bool>) -> f64 {
            if row == costs.nrows() {
                return 0.0;
            }
            let mut best = f64::INFINITY;
            for column in 0..costs.ncols() {
                if !taken[column] {
                    taken[column] = true;
                    best = best.min(costs[[row, column]] + from(costs, row + 1, taken));
                    taken[column] = false;
                }
            }
            best
        }
        let costs = if costs.nrows() > costs.ncols() {
            costs.t()
        } else {
            costs
        };
        from(costs, 0, &mut vec![false; costs.ncols()])
    }

    #[test]
    fn what_is_cheapest_for_one_row_is_given_up_for_the_sum() {
        let costs = arr2(&[[1.0, 2.0], [1.0, 9.0]]);
        assert_eq!(optimal_assignment(costs.view()), [(0, 1), (1, 0)]);
    }

    #[test]
    fn nothing_is_assigned_where_a_side_is_empty() {
        assert_eq!(optimal_assignment(Array2::zeros((0, 3)).view()), []);
        assert_eq!(optimal_assignment(Array2::zeros((3, 0)).view()), []);
    }

    fn costs() -> impl Strategy<Value = Array2<f64>> {
        (0..6usize, 0..6usize).prop_flat_map(|(rows, columns)| {
            let cost = prop_oneof![Just(0.0), Just(-0.5), Just(-1.25), -2.0..2.0f64];
            proptest::collection::vec(cost, rows * columns)
                .prop_map(move |costs| Array2::from_shape_vec((rows, columns), costs).unwrap())
        })
    }

    proptest! {
        #[test]
        fn no_other_assignment_costs_less(costs in costs()) {
            let pairs = optimal_assignment(costs.view());
            prop_assert_eq!(pairs.len(), costs.nrows().min(costs.ncols()));
            let mut columns: Vec<_> = pairs.iter().map(|pair| pair.1).collect();
            columns.sort_unstable();
            prop_assert!(columns.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let sum: f64 = pairs.iter().map(|&(row, column)| costs[[row, column]]).sum();
            prop_assert!((sum - least(costs.view())).abs() < 1e-9);
        }
    }
}
