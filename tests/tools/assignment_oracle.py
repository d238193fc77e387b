"""Assigns rows to columns by scipy.

usage: assignment_oracle.py < MATRICES
A matrix of costs in JSON on each line; on each line of the answer the pairs, rows ascending.
"""
import json
import sys

import numpy as np
from scipy.optimize import linear_sum_assignment

for line in sys.stdin:
    rows, columns, costs = json.loads(line)
    found = linear_sum_assignment(np.array(costs, float).reshape(rows, columns))
    print(json.dumps([[int(row), int(column)] for row, column in zip(*found)]))
