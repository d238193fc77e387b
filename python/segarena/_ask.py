"""What `evaluate` has the program start for each interaction: asks the evaluating process.

Needs nothing but the standard library, so that it starts quickly.
"""

import json
import os
import socket
import sys

ADDRESS = "SEGARENA_ASK"


def main() -> int:
    asked = {"case": os.environ["CASE"], "inputs": os.environ["INPUTS"], "outputs": os.environ["OUTPUTS"]}
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ[ADDRESS])
        line.sendall(json.dumps(asked).encode() + b"\n")
        with line.makefile("r", encoding="utf-8") as answers:
            answer = answers.readline()
    if not answer:
        print("the evaluating process has ended", file=sys.stderr)
        return 1
    failure = json.loads(answer)["failure"]
    if failure:
        print(failure, file=sys.stderr, end="")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
