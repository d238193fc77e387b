//! One case's conversation, held from Python: the same dialogue as the program's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use ndarray::Array3;
use numpy::prelude::*;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use segarena_core::backend::Lifetime;
use segarena_core::dialogue::tracks::{self, TrackOptions};
use segarena_core::dialogue::{
    Answer, CaseTruth, Dialogue, Member, Prompt as Asked, Track, TruthReading, Value,
};
use segarena_core::npz::{Element, GroundTruth, Prediction, ground_truth_of, prediction_of};
use segarena_core::prompt::BoundingBox;
use segarena_core::protocol::Protocol;
use segarena_core::record::{CaseRecord, ClickRecord, InteractionRecord, Outcome};
use segarena_core::volume::LabelKeys;

use crate::arrays::{Argument, Rank, Values, spacing, tuple, with_slice};
use crate::kernels::{Click, policy};
use crate::plain;

/// What a submission is given at one interaction.
#[pyclass(module = "segarena", frozen)]
pub struct Prompt {
    /// ``"box"``, ``"clicks"`` or ``"text"``.
    #[pyo3(get)]
    kind: String,
    /// The interaction, from 1.
    #[pyo3(get)]
    index: usize,
    /// The bounding boxes, a dict for each label, as the challenge has them; None without boxes.
    #[pyo3(get)]
    boxes: Option<Py<PyAny>>,
    /// All clicks so far: for each label {"fg": [[z, y, x], …], "bg": […]}; None before there are.
    #[pyo3(get)]
    clicks: Option<Py<PyAny>>,
    /// The kinds of the clicks, an array (labels, clicks) of "fg", "bg" and None.
    #[pyo3(get)]
    clicks_order: Option<Py<PyAny>>,
    /// The prediction before, a uint8 array (z, y, x); None before there is one.
    #[pyo3(get)]
    previous: Option<Py<PyAny>>,
    /// The clicks that are new: {label: Click or None}.
    #[pyo3(get)]
    new_clicks: BTreeMap<i64, Option<Py<Click>>>,
    /// The text prompts of a text track's case.
    #[pyo3(get)]
    text: Option<Py<PyAny>>,
}

#[pymethods]
impl Prompt {
    fn __repr__(&self) -> String {
        format!("Prompt(kind='{}', index={})", self.kind, self.index)
    }
}

/// What a case has besides its voxels, as Python gave it.
struct Given {
    boxes: Option<Py<PyAny>>,
    text: Option<Py<PyAny>>,
}

/// One case's conversation: an iterator of prompts, each of which takes an answer.
///
/// gts: the ground truth, an array (z, y, x) of integers or booleans with at least one label.
/// spacing: the size of a voxel in millimetres, axes (z, y, x).
/// boxes: None (the case has none, and its first interaction is skipped), "from_labels", or a
///     list of the challenge's dictionaries, one for each label.
/// clicks: how many interactions with clicks follow.
/// track: "cvpr25-interactive" or "cvpr25-text".
/// tolerance_mm: of the normalised surface Dice.
/// policy, seed, sigma_mm: as of next_clicks; "ritm" does not click a voxel twice.
/// text_prompts: what a case of the text track is asked, as in its file.
/// case: what the record calls the case.
///
/// It is the program's own dialogue: the same answers give the same prompts and scores.
///
/// >>> session = Session(gts, spacing, boxes="from_labels")
/// >>> for prompt in session:
/// ...     session.answer(model(image, prompt))
/// >>> session.scores["DSC_AUC"]
#[pyclass(module = "segarena", frozen)]
pub struct Session {
    track: Arc<dyn Track>,
    protocol: Protocol,
    given: Given,
    case: String,
    labels: Arc<LabelKeys>,
    shape: [usize; 3],
    spacing: [f64; 3],
    talk: Mutex<Talk>,
}

/// How far the conversation is.
struct Talk {
    dialogue: Box<dyn Dialogue>,
    /// The prompt that waits for an answer, and since when.
    waiting: Option<(Asked, Instant)>,
    interactions: Vec<InteractionRecord>,
    is_over: bool,
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (
        gts, spacing, boxes=None, clicks=5, track="cvpr25-interactive", *, tolerance_mm=2.0,
        policy="challenge", seed=42, sigma_mm=2.0, text_prompts=None, case="case"
    ))]
    #[allow(clippy::too_many_arguments, reason = "the keywords of a Python call")]
    fn new(
        py: Python<'_>,
        gts: &Bound<'_, PyAny>,
        spacing: &Bound<'_, PyAny>,
        boxes: Option<&Bound<'_, PyAny>>,
        clicks: usize,
        track: &str,
        tolerance_mm: f64,
        policy: &str,
        seed: u64,
        sigma_mm: f64,
        text_prompts: Option<&Bound<'_, PyAny>>,
        case: &str,
    ) -> PyResult<Self> {
        let protocol = Protocol {
            clicks: clicks.min(MOST_CLICKS),
            nsd_tolerance_mm: crate::kernels::tolerance(tolerance_mm)?,
            ..Protocol::default()
        };
        if clicks > MOST_CLICKS {
            return Err(PyValueError::new_err(format!(
                "{clicks} clicks are more than the {MOST_CLICKS} there can be"
            )));
        }
        let options = TrackOptions {
            protocol: protocol.clone(),
            policy: self::policy(policy, seed, sigma_mm)?,
        };
        let track = tracks::built_in(track, &options).ok_or_else(|| {
            let known: Vec<&str> = tracks::BUILT_IN.iter().map(|(name, _)| *name).collect();
            PyValueError::new_err(format!(
                "there is no track '{track}'; there are {}",
                known.join(", ")
            ))
        })?;
        let spacing = self::spacing(spacing)?;
        let gts = Argument::labels("gts", gts, Rank::Volume)?;
        let volumes = gts.volumes();
        let reading = track.truth();
        let truth = py.detach(|| volumes.first().map(|gts| read_truth(gts, reading)));
        let truth = truth.ok_or_else(|| PyValueError::new_err("gts has no volume"))??;
        let shape = truth.shape();
        let boxes = boxes.map(|boxes| boxes_of(boxes, &truth)).transpose()?;
        let truth = Arc::new(truth.into_volume(spacing));
        let labels = Arc::clone(truth.keys());
        let mut objects = BTreeMap::<String, Value>::new();
        if let Some(prompts) = text_prompts {
            objects.insert("text_prompts".to_owned(), plain::prompt_value(prompts)?);
        }
        let known = CaseTruth {
            truth,
            has_boxes: boxes.is_some(),
            objects,
        };
        let begun = py.detach(|| track.dialogue(known));
        let dialogue = begun.map_err(|problem| PyValueError::new_err(problem.to_string()))?;
        let skipped = dialogue
            .skipped()
            .into_iter()
            .map(|skipped| InteractionRecord {
                index: skipped.index,
                prompt: skipped.kind,
                ..InteractionRecord::skipped(labels.labels())
            });
        Ok(Self {
            protocol,
            given: Given {
                boxes,
                text: text_prompts.map(|prompts| prompts.clone().unbind()),
            },
            case: format!("{case}.npz"),
            labels: Arc::clone(&labels),
            shape,
            spacing: spacing.mm(),
            talk: Mutex::new(Talk {
                interactions: skipped.collect(),
                dialogue,
                waiting: None,
                is_over: false,
            }),
            track,
        })
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// The next prompt. It is given again until it is answered.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Prompt>> {
        let mut talk = self.talk()?;
        let prompt = match talk.waiting.take() {
            Some((prompt, _)) => prompt,
            None => match talk.dialogue.next() {
                Some(prompt) => prompt,
                None => {
                    talk.is_over = true;
                    return Ok(None);
                }
            },
        };
        let given = self.given.prompt(py, &prompt)?;
        talk.waiting = Some((prompt, Instant::now()));
        Ok(Some(given))
    }

    /// Answers the prompt that was given last, and scores the answer.
    ///
    /// pred: an array (z, y, x) of gts' shape, of integers, booleans or floats. As in a file, a
    ///     float that is no whole number is no label.
    ///
    /// Returns the answer's scores by name, {"DSC": …, "NSD": …}.
    ///
    /// Raises ValueError for another shape, RuntimeError if no prompt waits; the prompt then still
    /// waits for its answer.
    fn answer<'py>(
        &self,
        py: Python<'py>,
        pred: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let pred = Argument::numbers("pred", pred, Rank::Volume)?;
        if pred.shape() != self.shape {
            return Err(PyValueError::new_err(format!(
                "gts has shape {}, but pred has {}: they must be the same",
                tuple(&self.shape),
                tuple(pred.shape())
            )));
        }
        let mut talk = self.talk()?;
        if talk.waiting.is_none() {
            return Err(PyRuntimeError::new_err(
                "no prompt waits for an answer: take the next one from the session first",
            ));
        }
        let volumes = pred.volumes();
        let (labels, talk_of) = (&self.labels, &mut *talk);
        let scores = py.detach(|| -> Result<_, String> {
            let values = volumes.first().ok_or("pred has no volume")?;
            let read = with_slice!(values, read_prediction, self.shape, labels);
            talk_of.take(read?)
        });
        let scores = scores.map_err(PyValueError::new_err)?;
        let named = PyDict::new(py);
        for (name, value) in scores {
            named.set_item(name, value)?;
        }
        Ok(named)
    }

    /// The case's row of the official table, by its columns: DSC_1, …, DSC_AUC, NSD_AUC, DSC_Final,
    /// NSD_Final and the rest. RuntimeError before the last prompt is answered.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let record = self.record_of(&*self.talk()?);
        if record.interactions.len() < self.track.prompts().len() {
            return Err(PyRuntimeError::new_err(format!(
                "the case is not over: {} of {} interactions are done",
                record.interactions.len(),
                self.track.prompts().len()
            )));
        }
        let row = self.track.row(&record.result());
        let scores = PyDict::new(py);
        for (column, cell) in self.track.columns().into_iter().zip(row) {
            match (cell.parse::<i64>(), cell.parse::<f64>()) {
                (Ok(number), _) => scores.set_item(column, number)?,
                (_, Ok(number)) => scores.set_item(column, number)?,
                _ if cell.is_empty() => scores.set_item(column, py.None())?,
                _ => scores.set_item(column, cell)?,
            }
        }
        Ok(scores)
    }

    /// What CASE.json would hold of the interactions so far, as plain values.
    #[getter]
    fn record<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain::value(py, &self.record_of(&*self.talk()?))
    }

    /// The labels of gts, ascending.
    #[getter]
    fn labels(&self) -> Vec<i64> {
        self.labels.labels().to_vec()
    }

    fn __repr__(&self) -> String {
        format!(
            "Session(shape={}, track='{}')",
            tuple(&self.shape),
            self.track.id()
        )
    }
}

/// As many as a configuration may ask for.
const MOST_CLICKS: usize = 1000;

impl Session {
    /// The conversation. Whoever holds it does not wait for Python's lock, nor the other way round.
    fn talk(&self) -> PyResult<MutexGuard<'_, Talk>> {
        self.talk
            .try_lock()
            .map_err(|_| PyRuntimeError::new_err("another thread is using this session"))
    }

    fn record_of(&self, talk: &Talk) -> CaseRecord {
        let mut record = CaseRecord {
            schema: CaseRecord::SCHEMA,
            case: self.case.clone(),
            track: self.track.id(),
            lifetime: Lifetime::default(),
            labels: self.labels.labels().to_vec(),
            has_boxes: self.given.boxes.is_some(),
            shape: self.shape,
            spacing: self.spacing,
            interactions: talk.interactions.clone(),
            total_seconds: 0.0,
            seconds_allowed: 0.0,
            over_time: false,
            zeroed: false,
            jobs: 1,
            predictions_sha256: None,
            fingerprint: None,
        };
        let allowed = self.track.seconds_allowed(self.labels.count());
        record.apply_limit(allowed, self.protocol.over_time);
        record
    }
}

impl Talk {
    /// Takes the answer to the prompt that waits and notes what came of it.
    fn take(&mut self, prediction: Prediction) -> Result<Vec<(&'static str, Option<f64>)>, String> {
        let Some((prompt, since)) = self.waiting.take() else {
            return Err("no prompt waits for an answer".to_owned());
        };
        let seconds = since.elapsed().as_secs_f64();
        let remarks = prediction.remarks.clone();
        let scores = self.dialogue.answer(Answer::Prediction(prediction));
        let measures = scores.measures.clone();
        let click = |(label, click): (i64, _)| ClickRecord::new(label, click);
        let mut record = InteractionRecord {
            index: prompt.index,
            prompt: prompt.kind,
            clicks: prompt.clicks.into_iter().map(click).collect(),
            outcome: Outcome::Ok { exit_code: 0 },
            seconds,
            remarks,
            ..InteractionRecord::default()
        };
        record.set_scores(scores);
        self.interactions.push(record);
        Ok(measures)
    }
}

fn read_truth(gts: &Values<'_>, reading: TruthReading) -> PyResult<GroundTruth> {
    let shape = gts.shape();
    if reading == TruthReading::Bytes {
        let voxels = with_slice!(gts, low_bytes);
        let keys = LabelKeys::of_own_keys(voxels.iter().copied());
        let voxels = Array3::from_shape_vec(shape, voxels);
        let voxels = voxels.map_err(|error| PyValueError::new_err(error.to_string()))?;
        return Ok(GroundTruth { voxels, keys });
    }
    let read = with_slice!(gts, ground_truth_of, shape, "gts");
    read.map_err(|kind| PyValueError::new_err(kind.to_string()))
}

fn low_bytes<T: Element>(values: &[T]) -> Vec<u8> {
    values.iter().map(|value| value.low_byte()).collect()
}

fn read_prediction<T: Element>(
    values: &[T],
    shape: [usize; 3],
    keys: &LabelKeys,
) -> Result<Prediction, String> {
    prediction_of(values, shape, keys).map_err(|error| error.to_string())
}

/// The challenge's dictionaries of boxes, as an array of objects.
fn boxes_of(given: &Bound<'_, PyAny>, truth: &GroundTruth) -> PyResult<Py<PyAny>> {
    let py = given.py();
    let boxes = PyList::empty(py);
    match given.extract::<String>().as_deref() {
        Ok("from_labels") => {
            for (_, key) in truth.keys.iter() {
                if let Some(bounds) = BoundingBox::around(truth.voxels.view(), key) {
                    boxes.append(box_dict(py, &bounds)?)?;
                }
            }
        }
        Ok(other) => {
            return Err(PyValueError::new_err(format!(
                "boxes must be None, 'from_labels' or a list of dictionaries, not '{other}'"
            )));
        }
        Err(_) => {
            let wrong = "boxes must be None, 'from_labels' or a list of dictionaries";
            let items = given.try_iter().map_err(|_| PyTypeError::new_err(wrong))?;
            for item in items {
                boxes.append(item?)?;
            }
            if boxes.len() != truth.keys.count() {
                return Err(PyValueError::new_err(format!(
                    "boxes has {} items, but gts has {} labels",
                    boxes.len(),
                    truth.keys.count()
                )));
            }
        }
    }
    let count = boxes.len();
    Ok(object_array(py, boxes, &[count])?.unbind())
}

fn box_dict<'py>(py: Python<'py>, bounds: &BoundingBox) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, bound) in [
        ("z_min", bounds.z_min),
        ("z_max", bounds.z_max),
        ("z_mid", bounds.z_mid),
        ("z_mid_x_min", bounds.z_mid_x_min),
        ("z_mid_y_min", bounds.z_mid_y_min),
        ("z_mid_x_max", bounds.z_mid_x_max),
        ("z_mid_y_max", bounds.z_mid_y_max),
    ] {
        dict.set_item(key, bound)?;
    }
    Ok(dict)
}

/// A numpy array of Python objects.
fn object_array<'py>(
    py: Python<'py>,
    items: Bound<'py, PyList>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let array = numpy.call_method1("empty", (items.len(), "O"))?;
    for (index, item) in items.iter().enumerate() {
        array.set_item(index, item)?;
    }
    array.call_method1("reshape", (shape.to_vec(),))
}

impl Given {
    /// The prompt as Python is given it.
    fn prompt(&self, py: Python<'_>, prompt: &Asked) -> PyResult<Prompt> {
        let member = |key: &str| -> PyResult<Option<Py<PyAny>>> {
            let found = prompt.members.iter().find(|(name, _)| *name == key);
            found
                .map(|(_, member)| member_array(py, member))
                .transpose()
        };
        let mut new_clicks = BTreeMap::new();
        for (label, click) in &prompt.clicks {
            let click = click
                .map(|click| Py::new(py, Click::from(click)))
                .transpose()?;
            new_clicks.insert(*label, click);
        }
        let of = |given: &Option<Py<PyAny>>| given.as_ref().map(|given| given.clone_ref(py));
        Ok(Prompt {
            kind: prompt.kind.name().to_owned(),
            index: prompt.index,
            boxes: of(&self.boxes),
            clicks: member("clicks")?,
            clicks_order: member("clicks_order")?,
            previous: member("prev_pred")?,
            new_clicks,
            text: of(&self.text),
        })
    }
}

/// A member of a model input, as numpy would read it from the file.
fn member_array(py: Python<'_>, member: &Member) -> PyResult<Py<PyAny>> {
    Ok(match member {
        Member::Labels(volume) => volume.to_pyarray(py).into_any().unbind(),
        Member::TwoLetters { shape, items } => {
            let array = py
                .import("numpy")?
                .call_method1("array", (items.clone(), "<U2"))?;
            array.call_method1("reshape", (shape.clone(),))?.unbind()
        }
        Member::Objects { shape, items } => {
            let list = PyList::empty(py);
            for item in items {
                list.append(plain::value(py, item)?)?;
            }
            object_array(py, list, shape)?.unbind()
        }
    })
}
