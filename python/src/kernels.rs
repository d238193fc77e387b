//! Clicks, scores and masks: arrays in, plain values out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use numpy::prelude::*;
use numpy::{PyArray3, PyArrayDyn};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use rayon::prelude::*;
use segarena_core::clicks::{self, Click as Placed, ClickPolicy, PolicyOptions};
use segarena_core::volume::{
    Comparison, InstanceScores, LabelView, Mask, Outside, Spacing, SquaredDistances, Voxel,
    largest_component, score_instances, split_single_mask, surface_overlap,
};

use crate::arrays::{Argument, Rank, Values, keys, same_shape, spacing};
use crate::plain;
use crate::problem::Problem;

/// One simulated click: `kind` is `"fg"` or `"bg"`, `at` the voxel (z, y, x).
#[pyclass(module = "segarena", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Click {
    /// ``"fg"``: the label was missed here; ``"bg"``: it is where it should not be.
    #[pyo3(get)]
    kind: &'static str,
    /// The voxel, (z, y, x).
    #[pyo3(get)]
    at: (usize, usize, usize),
}

#[pymethods]
impl Click {
    fn __repr__(&self) -> String {
        let (z, y, x) = self.at;
        format!("Click(kind='{}', at=({z}, {y}, {x}))", self.kind)
    }
}

impl From<Placed> for Click {
    fn from(click: Placed) -> Self {
        let [z, y, x] = click.at;
        Self {
            kind: click.kind.name(),
            at: (z, y, x),
        }
    }
}

type Clicks = BTreeMap<i64, Option<Click>>;
type Scores = BTreeMap<i64, f64>;

/// The click policy of this name.
///
/// # Errors
/// `ValueError` that names those there are, and for a hand that misses by less than nothing.
pub fn policy(name: &str, seed: u64, sigma_mm: f64) -> PyResult<Arc<dyn ClickPolicy>> {
    if !(sigma_mm.is_finite() && sigma_mm >= 0.0) {
        return Err(PyValueError::new_err(format!(
            "sigma_mm must be 0 or more, not {sigma_mm}"
        )));
    }
    clicks::built_in(name, PolicyOptions { seed, sigma_mm }).ok_or_else(|| {
        let known: Vec<String> = clicks::BUILT_IN
            .iter()
            .map(|(name, _)| format!("'{name}'"))
            .collect();
        PyValueError::new_err(format!(
            "there is no click policy '{name}'; there are {}",
            known.join(", ")
        ))
    })
}

/// The labels that the caller asks for.
fn asked(labels: Option<&Bound<'_, PyAny>>) -> PyResult<Option<BTreeSet<i64>>> {
    let Some(labels) = labels else {
        return Ok(None);
    };
    let wrong = || PyTypeError::new_err("labels must be a sequence of integers");
    let mut asked = BTreeSet::new();
    for label in labels.try_iter().map_err(|_| wrong())? {
        let label: i64 = label?.extract().map_err(|_| wrong())?;
        if label == 0 {
            return Err(PyValueError::new_err(
                "labels has 0, which is the background and no label",
            ));
        }
        asked.insert(label);
    }
    Ok(Some(asked))
}

/// Ground truths and predictions, and which of their labels are asked for.
struct Pairs<'py> {
    gts: Argument<'py>,
    pred: Argument<'py>,
    labels: Option<BTreeSet<i64>>,
    spacing: Spacing,
}

impl<'py> Pairs<'py> {
    fn new(
        gts: &Bound<'py, PyAny>,
        pred: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        rank: Rank,
    ) -> PyResult<Self> {
        let gts = Argument::labels("gts", gts, rank)?;
        let pred = Argument::labels("pred", pred, rank)?;
        same_shape(&gts, &pred)?;
        Ok(Self {
            gts,
            pred,
            labels: asked(labels)?,
            spacing: Spacing::new([1.0; 3]).map_err(|e| PyValueError::new_err(e.to_string()))?,
        })
    }

    /// With voxels of this size; without one they are cubes of a millimetre.
    fn with_spacing(mut self, spacing: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        if let Some(spacing) = spacing {
            self.spacing = self::spacing(spacing)?;
        }
        Ok(self)
    }

    /// Measures every pair, on rayon's threads and without Python's lock.
    fn measure<T: Send>(
        &self,
        py: Python<'_>,
        measure: impl Fn(&Comparison<'_>) -> T + Sync,
    ) -> PyResult<Vec<T>> {
        let pairs: Vec<_> = self
            .gts
            .volumes()
            .into_iter()
            .zip(self.pred.volumes())
            .collect();
        let (labels, spacing) = (&self.labels, self.spacing);
        let measured = py.detach(|| {
            let each = |(gts, pred): &(Values<'_>, Values<'_>)| {
                let keys = match labels {
                    Some(labels) => keys(labels.clone())?,
                    None => gts.distinct()?,
                };
                let (truth, prediction) = (gts.keyed(&keys), pred.keyed(&keys));
                let truth = LabelView::new(truth.view(), &keys, spacing);
                let compared = truth.map(|truth| Comparison::new(truth, prediction.view()));
                Ok(compared.map(|compared| measure(&compared)))
            };
            let found: Result<Vec<Option<T>>, Problem> = pairs.par_iter().map(each).collect();
            found
        });
        Ok(measured?.into_iter().flatten().collect())
    }
}

/// The only one of a list that has one.
fn only<T>(found: Vec<T>) -> PyResult<T> {
    let mut found = found.into_iter();
    found
        .next()
        .ok_or_else(|| PyValueError::new_err("there is no volume"))
}

fn place_all(policy: &dyn ClickPolicy, compared: &Comparison<'_>) -> Clicks {
    let labels: Vec<_> = compared.truth().keys().iter().collect();
    let place = |&(label, key): &(i64, u8)| (label, policy.place(compared, key).map(Click::from));
    labels.par_iter().map(place).collect()
}

#[pyfunction]
#[pyo3(signature = (
    gts, pred, labels=None, policy="challenge", seed=42, *, sigma_mm=2.0, spacing=None
))]
#[allow(clippy::too_many_arguments, reason = "the keywords of a Python call")]
/// Where the simulated user clicks next, label by label.
///
/// gts, pred: arrays (z, y, x) of integers or booleans, of the same shape; 0 is background.
/// labels: which labels get a click; by default those of gts.
/// policy: "challenge" (the middle of the largest error, as the CVPR 2025 challenge clicks),
///     "random" (anywhere in the error), "ritm" and "sam2-center" (where the missed or the surplus
///     voxels are thickest), or "jittered" (near the challenge's click, on the error).
/// seed: of "random" and "jittered", which draw lots.
/// sigma_mm: how far the hand of "jittered" misses, in millimetres: the standard deviation along
///     each axis.
/// spacing: the size of a voxel in millimetres along the axes (z, y, x), which only "jittered" looks
///     at; by default 1 each.
///
/// Returns {label: Click(kind, at)}, None in place of a click where the label is perfect. kind is
/// "fg" or "bg", at the voxel (z, y, x).
///
/// Raises TypeError for arrays that hold no labels, ValueError for shapes that differ and for a
/// policy that there is not.
pub fn next_clicks(
    py: Python<'_>,
    gts: &Bound<'_, PyAny>,
    pred: &Bound<'_, PyAny>,
    labels: Option<&Bound<'_, PyAny>>,
    policy: &str,
    seed: u64,
    sigma_mm: f64,
    spacing: Option<&Bound<'_, PyAny>>,
) -> PyResult<Clicks> {
    let policy = self::policy(policy, seed, sigma_mm)?;
    let pairs = Pairs::new(gts, pred, labels, Rank::Volume)?.with_spacing(spacing)?;
    only(pairs.measure(py, |compared| place_all(&*policy, compared))?)
}

#[pyfunction]
#[pyo3(signature = (
    gts, pred, labels=None, policy="challenge", seed=42, *, sigma_mm=2.0, spacing=None
))]
#[allow(clippy::too_many_arguments, reason = "the keywords of a Python call")]
/// next_clicks of each volume of arrays (n, z, y, x), side by side on all cores: a list of n.
pub fn next_clicks_batch(
    py: Python<'_>,
    gts: &Bound<'_, PyAny>,
    pred: &Bound<'_, PyAny>,
    labels: Option<&Bound<'_, PyAny>>,
    policy: &str,
    seed: u64,
    sigma_mm: f64,
    spacing: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Clicks>> {
    let policy = self::policy(policy, seed, sigma_mm)?;
    let pairs = Pairs::new(gts, pred, labels, Rank::Batch)?.with_spacing(spacing)?;
    pairs.measure(py, |compared| place_all(&*policy, compared))
}

fn dice_of_all(compared: &Comparison<'_>) -> Scores {
    let dice = |(label, key)| (label, compared.label(key).dice());
    compared.truth().keys().iter().map(dice).collect()
}

#[pyfunction]
#[pyo3(signature = (gts, pred, labels=None))]
/// The Dice similarity coefficient of every label.
///
/// gts, pred: arrays (z, y, x) of integers or booleans, of the same shape; 0 is background.
/// labels: which labels are measured; by default those of gts.
///
/// Returns {label: DSC}; 1 where the label is in neither.
///
/// Raises TypeError for arrays that hold no labels, ValueError for shapes that differ.
pub fn dsc(
    py: Python<'_>,
    gts: &Bound<'_, PyAny>,
    pred: &Bound<'_, PyAny>,
    labels: Option<&Bound<'_, PyAny>>,
) -> PyResult<Scores> {
    only(Pairs::new(gts, pred, labels, Rank::Volume)?.measure(py, dice_of_all)?)
}

#[pyfunction]
#[pyo3(signature = (gts, pred, labels=None))]
/// dsc of each volume of arrays (n, z, y, x), side by side on all cores: a list of n.
pub fn dsc_batch(
    py: Python<'_>,
    gts: &Bound<'_, PyAny>,
    pred: &Bound<'_, PyAny>,
    labels: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Scores>> {
    Pairs::new(gts, pred, labels, Rank::Batch)?.measure(py, dice_of_all)
}

/// A tolerance in millimetres: 0 or more, and finite.
///
/// # Errors
/// `ValueError` for any other.
pub fn tolerance(mm: f64) -> PyResult<f64> {
    if mm.is_finite() && mm >= 0.0 {
        return Ok(mm);
    }
    Err(PyValueError::new_err(format!(
        "tolerance_mm must be 0 or more, not {mm}"
    )))
}

fn surface_dice_of_all(compared: &Comparison<'_>, tolerance: f64) -> Scores {
    let labels: Vec<_> = compared.truth().keys().iter().collect();
    let dice = |&(label, key): &(i64, u8)| {
        let overlap = surface_overlap(compared, key, tolerance);
        (label, overlap.dice().unwrap_or(1.0))
    };
    labels.par_iter().map(dice).collect()
}

#[pyfunction]
#[pyo3(signature = (gts, pred, spacing, tolerance_mm=2.0, labels=None))]
/// The normalised surface Dice of every label, as surface-distance measures it.
///
/// gts, pred: arrays (z, y, x) of integers or booleans, of the same shape; 0 is background.
/// spacing: the size of a voxel in millimetres along the axes (z, y, x).
/// tolerance_mm: how far surfaces may be apart, in millimetres.
/// labels: which labels are measured; by default those of gts.
///
/// Returns {label: NSD}; 1 where the label is in neither. The challenge counts 0 for all labels
/// of a prediction whose mean DSC is 0.2 or less; this does not.
///
/// Raises TypeError for arrays that hold no labels, ValueError for shapes that differ and for a
/// spacing that is not three positive numbers.
pub fn nsd(
    py: Python<'_>,
    gts: &Bound<'_, PyAny>,
    pred: &Bound<'_, PyAny>,
    spacing: &Bound<'_, PyAny>,
    tolerance_mm: f64,
    labels: Option<&Bound<'_, PyAny>>,
) -> PyResult<Scores> {
    let mm = tolerance(tolerance_mm)?;
    let pairs = Pairs::new(gts, pred, labels, Rank::Volume)?.with_spacing(Some(spacing))?;
    only(pairs.measure(py, |compared| surface_dice_of_all(compared, mm))?)
}

#[pyfunction]
#[pyo3(signature = (gts, pred, spacing, tolerance_mm=2.0, labels=None))]
/// nsd of each volume of arrays (n, z, y, x) of one spacing, side by side on all cores: a list of n.
pub fn nsd_batch(
    py: Python<'_>,
    gts: &Bound<'_, PyAny>,
    pred: &Bound<'_, PyAny>,
    spacing: &Bound<'_, PyAny>,
    tolerance_mm: f64,
    labels: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Scores>> {
    let mm = tolerance(tolerance_mm)?;
    let pairs = Pairs::new(gts, pred, labels, Rank::Batch)?.with_spacing(Some(spacing))?;
    pairs.measure(py, |compared| surface_dice_of_all(compared, mm))
}

/// The voxels that are not 0.
fn mask_of(values: &Values<'_>) -> Mask {
    match values {
        Values::U8(bytes) if bytes.iter().all(|&byte| byte <= 1) => Mask::of_key(bytes.view(), 1),
        values => {
            let bytes = crate::arrays::with_slice!(values, not_zero);
            let array = ndarray::Array3::from_shape_vec(values.shape(), bytes);
            Mask::of_key(array.unwrap_or_default().view(), 1)
        }
    }
}

fn not_zero<T: Default + PartialEq>(values: &[T]) -> Vec<u8> {
    let zero = T::default();
    values
        .iter()
        .map(|value| u8::from(*value != zero))
        .collect()
}

fn largest(values: &Values<'_>) -> ndarray::Array3<bool> {
    let component = largest_component(mask_of(values));
    component
        .unwrap_or_else(|| Mask::new(values.shape()))
        .to_array()
}

/// One array of volumes of one shape, along a new leading axis.
fn stacked<T: Clone>(
    volumes: &[ndarray::Array3<T>],
    shape: &[usize],
) -> PyResult<ndarray::ArrayD<T>> {
    let views: Vec<_> = volumes.iter().map(|volume| volume.view()).collect();
    if views.is_empty() {
        let empty = ndarray::ArrayD::from_shape_vec(shape.to_vec(), Vec::new());
        return empty.map_err(|error| PyValueError::new_err(error.to_string()));
    }
    let stacked = ndarray::stack(ndarray::Axis(0), &views);
    let stacked = stacked.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(stacked.into_dyn())
}

#[pyfunction]
#[pyo3(name = "largest_component")]
/// The largest 26-connected component of a mask (z, y, x), whose voxels are those that are not 0.
///
/// Returns a bool array of the same shape; of components of one size, that whose first voxel comes
/// first in C order. All False where the mask is empty.
///
/// Raises TypeError for an array of other values, ValueError for one of other than three axes.
pub fn largest_component_of<'py>(
    py: Python<'py>,
    mask: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray3<bool>>> {
    let mask = Argument::labels("mask", mask, Rank::Volume)?;
    let volumes = mask.volumes();
    let found = py.detach(|| volumes.iter().map(largest).collect::<Vec<_>>());
    Ok(only(found)?.into_pyarray(py))
}

#[pyfunction]
/// largest_component of each mask of an array (n, z, y, x), side by side on all cores.
pub fn largest_component_batch<'py>(
    py: Python<'py>,
    mask: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArrayDyn<bool>>> {
    let mask = Argument::labels("mask", mask, Rank::Batch)?;
    let volumes = mask.volumes();
    let found: Vec<_> = py.detach(|| volumes.par_iter().map(largest).collect());
    Ok(stacked(&found, mask.shape())?.into_pyarray(py))
}

/// What lies beyond the faces of the array.
fn outside(name: &str) -> PyResult<Outside> {
    match name {
        "nothing" => Ok(Outside::Nothing),
        "background" => Ok(Outside::Background),
        other => Err(PyValueError::new_err(format!(
            "outside must be 'nothing' or 'background', not '{other}'"
        ))),
    }
}

fn distances(values: &Values<'_>, outside: Outside) -> ndarray::Array3<f64> {
    let shape = values.shape();
    let Some(squares) = SquaredDistances::new(&mask_of(values), outside) else {
        return ndarray::Array3::zeros(shape);
    };
    let distance = |at: Voxel| match squares.at(at) {
        u64::MAX => f64::INFINITY,
        square => (square as f64).sqrt(),
    };
    let mut distances = ndarray::Array3::zeros(shape);
    let slices = distances.outer_iter_mut().into_par_iter().enumerate();
    slices.for_each(|(z, mut slice)| {
        for ((y, x), value) in slice.indexed_iter_mut() {
            *value = distance([z, y, x]);
        }
    });
    distances
}

#[pyfunction]
#[pyo3(signature = (mask, outside="nothing"))]
/// The distance of every voxel of a mask (z, y, x) to the nearest voxel that is 0, in voxels.
///
/// outside: what is beyond the array's faces, "nothing" (as scipy's distance_transform_edt) or
///     "background".
///
/// Returns a float64 array of the same shape: exact Euclidean distances between the voxels'
/// centres, whatever the spacing; 0 outside the mask, inf where there is no background at all.
///
/// Raises TypeError for an array of other values, ValueError for one of other than three axes.
pub fn distance_transform<'py>(
    py: Python<'py>,
    mask: &Bound<'py, PyAny>,
    outside: &str,
) -> PyResult<Bound<'py, PyArray3<f64>>> {
    let outside = self::outside(outside)?;
    let mask = Argument::labels("mask", mask, Rank::Volume)?;
    let volumes = mask.volumes();
    let each = |values: &Values<'_>| distances(values, outside);
    let found = py.detach(|| volumes.iter().map(each).collect::<Vec<_>>());
    Ok(only(found)?.into_pyarray(py))
}

#[pyfunction]
#[pyo3(signature = (mask, outside="nothing"))]
/// distance_transform of each mask of an array (n, z, y, x), side by side on all cores.
pub fn distance_transform_batch<'py>(
    py: Python<'py>,
    mask: &Bound<'py, PyAny>,
    outside: &str,
) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    let outside = self::outside(outside)?;
    let mask = Argument::labels("mask", mask, Rank::Batch)?;
    let volumes = mask.volumes();
    let each = |values: &Values<'_>| distances(values, outside);
    let found: Vec<_> = py.detach(|| volumes.par_iter().map(each).collect());
    Ok(stacked(&found, mask.shape())?.into_pyarray(py))
}

/// The numbers of instances as bytes.
fn instance_bytes<'a>(
    name: &'static str,
    values: &'a Values<'_>,
) -> Result<ndarray::CowArray<'a, u8, ndarray::Ix3>, Problem> {
    let keys = values.distinct()?;
    if !keys.are_labels() {
        let beyond = keys
            .labels()
            .iter()
            .find(|label| !(0..256).contains(*label));
        return Err(Problem::Instance {
            name,
            value: beyond.copied().unwrap_or_default(),
        });
    }
    Ok(values.keyed(&keys))
}

fn match_instances(gts: &Values<'_>, pred: &Values<'_>) -> Result<InstanceScores, Problem> {
    let truth = instance_bytes("gts", gts)?;
    let prediction = instance_bytes("pred", pred)?;
    let split = split_single_mask(prediction.view());
    let prediction = match &split {
        Some(split) => split.view(),
        None => prediction.view(),
    };
    Ok(score_instances(truth.view(), prediction))
}

fn matched(
    py: Python<'_>,
    gts: &Bound<'_, PyAny>,
    pred: &Bound<'_, PyAny>,
    rank: Rank,
) -> PyResult<Vec<InstanceScores>> {
    let gts = Argument::labels("gts", gts, rank)?;
    let pred = Argument::labels("pred", pred, rank)?;
    same_shape(&gts, &pred)?;
    let pairs: Vec<_> = gts.volumes().into_iter().zip(pred.volumes()).collect();
    let found: Result<Vec<_>, Problem> = py.detach(|| {
        let each = |(gts, pred): &(Values<'_>, Values<'_>)| match_instances(gts, pred);
        pairs.par_iter().map(each).collect()
    });
    Ok(found?)
}

#[pyfunction]
/// Which of a prediction's instances are which of the truth's, and how well, as the challenge's
/// text track matches them.
///
/// gts, pred: arrays (z, y, x) of instance numbers from 0 (background) to 255, of the same shape. A
/// pred of two values is one mask, whose 6-connected components are its instances.
///
/// Returns {"f1": …, "dsc_tp": …, "true_positives": …, "pairs": [{"truth": …, "prediction": …,
/// "iou": …, "dsc": …}, …], …}. A pair matches if its IoU is 0.5 or more.
///
/// Raises TypeError for arrays of other values, ValueError for shapes that differ and for numbers
/// beyond 255.
pub fn instances<'py>(
    py: Python<'py>,
    gts: &Bound<'py, PyAny>,
    pred: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    plain::value(py, &only(matched(py, gts, pred, Rank::Volume)?)?)
}

#[pyfunction]
/// instances of each volume of arrays (n, z, y, x), side by side on all cores: a list of n.
pub fn instances_batch<'py>(
    py: Python<'py>,
    gts: &Bound<'py, PyAny>,
    pred: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    plain::value(py, &matched(py, gts, pred, Rank::Batch)?)
}
