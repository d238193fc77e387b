"""Times clicks and surface Dice through the bindings beside the public libraries, in one run.

usage: beside.py [DEPTH HEIGHT WIDTH]
needs: segarena and what benches/peers.py needs; RAYON_NUM_THREADS=1 for one thread each
"""

import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import peers  # noqa: E402

import segarena  # noqa: E402


def clicks_a_second(truth, prediction, threads, clicks=16):
    """How many clicks are placed in a second by so many threads of Python at once."""

    def place():
        for _ in range(clicks):
            segarena.next_clicks(truth, prediction)

    workers = [threading.Thread(target=place) for _ in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return threads * clicks / (time.perf_counter() - start)


def main():
    shape = tuple(int(size) for size in sys.argv[1:4]) or (300, 512, 512)
    truth, prediction = peers.phantom(shape)
    print(f"volume: {shape}, {truth.nbytes / 1e6:.0f} MB each")
    pairs = {
        "click": (
            lambda: segarena.next_clicks(truth, prediction),
            lambda: peers.click(truth, prediction),
        ),
        "nsd": (
            lambda: segarena.nsd(truth, prediction, peers.SPACING, 2.0),
            lambda: peers.surface_dice(truth, prediction),
        ),
    }
    for name, (ours, theirs) in pairs.items():
        ours()
        (our_time, our_memory), (their_time, their_memory) = map(peers.measure, (ours, theirs))
        print(
            f"{name}: {our_time:.1f} ms, {our_memory / 1e6:.0f} MB; beside {their_time:.1f} ms, "
            f"{their_memory / 1e6:.0f} MB: {their_time / our_time:.0f} times",
            flush=True,
        )
    for threads in (1, 2, 4):
        print(f"{threads} threads: {clicks_a_second(truth, prediction, threads):.1f} clicks/s")


main()
