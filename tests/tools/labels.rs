//! Predictions that only numpy writes.

use crate::python::python_with_numpy;
use crate::scenario::{check, segarena};

pub(crate) fn labels_that_are_no_whole_numbers_are_warned_about() {
    let python = python_with_numpy();
    let program = "import numpy, os, glob\n\
        for path in glob.glob(os.environ['INPUTS'] + '/*.npz'):\n    \
            shape = numpy.load(path, allow_pickle=True)['imgs'].shape\n    \
            segs = numpy.full(shape, 0.5, numpy.float32); segs[:3] = 1\n    \
            numpy.savez(os.environ['OUTPUTS'] + '/' + os.path.basename(path), segs=segs)\n";
    let folder = tempfile::tempdir().unwrap();
    let line = [
        "validate",
        "--json",
        "--",
        python.to_str().unwrap(),
        "-c",
        program,
    ];
    let ran = segarena(folder.path(), &line).ends_with(0);
    let checks = ran.checks();
    let first = check(&checks, "box");
    assert_eq!(first["verdict"], "warning");
    assert!(
        first["seen"].as_str().unwrap().contains("no whole numbers"),
        "{first}"
    );
    let segs = check(&checks, "segs");
    assert_eq!(
        (&segs["verdict"], &segs["seen"]),
        (&"warning".into(), &"float32: read as it is".into())
    );
}
