"""Times clicks and surface Dice through the bindings beside the public libraries, in one run, then
clicks of several threads of Python at once.

usage: beside.py [DEPTH HEIGHT WIDTH]
needs: segarena and what benches/peers.py needs; RAYON_NUM_THREADS=1 for one thread on our side as well

Milliseconds are of the processor, all threads together, so that other work of the machine counts for
neither side; memory is the most that there was beside what the call was given.
"""

import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import peers  # noqa: E402

import segarena  # noqa: E402


def clicks_of(threads, truth, prediction, clicks=16):
    """Lets so many threads of Python click at once: clicks a second by the clock on the wall, and
    the processor's milliseconds for each."""

    def place():
        for _ in range(clicks):
            segarena.next_clicks(truth, prediction)

    workers = [threading.Thread(target=place) for _ in range(threads)]
    start, worked = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    return threads * clicks / seconds, 1000 * worked / (threads * clicks)


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
        (our_time, our_memory), (their_time, their_memory) = (
            peers.measure(kernel, time.process_time) for kernel in (ours, theirs)
        )
        print(
            f"{name}: {our_time:.1f} ms, {our_memory / 1e6:.0f} MB; beside {their_time:.1f} ms, "
            f"{their_memory / 1e6:.0f} MB: {their_time / our_time:.0f} times",
            flush=True,
        )
    for size in (shape, tuple(max(side // 4, 1) for side in shape)):
        pair = peers.phantom(size)
        for threads in (1, 2, 4):
            rate, worked = clicks_of(threads, *pair)
            print(f"{size}, {threads} threads: {rate:.1f} clicks/s, {worked:.2f} ms each", flush=True)


main()
