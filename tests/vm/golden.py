"""Holds the table and the clicks of an evaluation of the parity set against the official results.

usage: golden.py GOLDEN.json OUTPUT SUBMISSION [CASE.npz…]

With cases, these alone were evaluated.
"""

import csv
import json
import pathlib
import sys


def main(golden_file, output, submission, *cases):
    golden = json.loads(pathlib.Path(golden_file).read_text())
    golden = {case: golden[case] for case in cases or golden}
    output = pathlib.Path(output)
    with open(output / submission / f"{submission}_metrics.csv", newline="") as table:
        rows = {row["CaseName"]: row for row in csv.DictReader(table)}
    assert rows.keys() == golden.keys(), (sorted(rows), sorted(golden))
    for case, official in golden.items():
        for name, expected in official["metrics"].items():
            found = float(rows[case][name])
            assert abs(found - expected) <= 1e-9, f"{case} {name}: {found} is not {expected}"
        record = output / submission / (case.removesuffix(".npz") + ".json")
        clicked = json.loads(record.read_text())["interactions"][1:]
        for label, order in enumerate(official["clicks_order"]):
            clicks = [interaction["clicks"][label] for interaction in clicked]
            assert [click["kind"] for click in clicks] == order, (case, label)
            for kind, expected in official["clicks"][label].items():
                found = [click["at"] for click in clicks if click["kind"] == kind]
                assert found == expected, (case, label, kind)
    print(f"golden: {len(golden)} cases of {submission} are the official ones")


if __name__ == "__main__":
    main(*sys.argv[1:])
