"""Interactive 3-D medical image segmentation: simulated clicks, scores, whole evaluations.

Arrays are (z, y, x) everywhere and hold labels: integers or booleans, 0 being background. Whatever
``numpy.asarray`` takes is an array, CPU tensors among it. What is computed is computed in Rust, on
all cores and without the interpreter's lock.

Clicks and scores
    next_clicks(gts, pred)          {label: Click(kind, at) or None}
    dsc(gts, pred)                  {label: Dice}
    nsd(gts, pred, spacing)         {label: normalised surface Dice}
    instances(gts, pred)            F1 and DSC of matched instances
    largest_component(mask)         bool array
    distance_transform(mask)        float64 array

Each has a form ``…_batch`` for arrays (n, z, y, x).

The protocol
    Session(gts, spacing, …)        one case's prompts and answers, with the official scores
    evaluate(predict, images=, …)   a callable on a data set: table, predictions, report
    serve(predict)                  makes a program a submission
    Results(output)                 a run's records and table
    report(output), compare(…)      a run's page; runs beside each other
"""

from ._evaluate import evaluate
from ._program import SegarenaError, program
from ._results import Results, compare, report
from ._segarena import (
    Click,
    Prompt,
    Session,
    distance_transform,
    distance_transform_batch,
    dsc,
    dsc_batch,
    instances,
    instances_batch,
    largest_component,
    largest_component_batch,
    next_clicks,
    next_clicks_batch,
    nsd,
    nsd_batch,
)
from ._submission import serve

__all__ = [
    "Click",
    "Prompt",
    "Results",
    "SegarenaError",
    "Session",
    "compare",
    "distance_transform",
    "distance_transform_batch",
    "dsc",
    "dsc_batch",
    "evaluate",
    "instances",
    "instances_batch",
    "largest_component",
    "largest_component_batch",
    "next_clicks",
    "next_clicks_batch",
    "nsd",
    "nsd_batch",
    "program",
    "report",
    "serve",
]
