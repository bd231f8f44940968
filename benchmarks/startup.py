"""From the start of the process to the first answered search, with the index there."""

from statistics import median

from benchmarks.built_indexes import built_index
from benchmarks.conditions import Options
from benchmarks.figures import Figure, at_most, median_and_range, told
from benchmarks.servers import our_api, tutorial_service

LIMIT = 2.5


def measure(options: Options) -> list[Figure]:
    index_dir = built_index("tutorial", everything=options.everything)
    # The first start of each reads its libraries from disk, once a boot, and is not counted.
    ours, theirs = [], []
    for repeat in range(options.repeats + 1):
        with our_api(index_dir) as server:
            ours.append(server.started_in)
        with tutorial_service() as server:
            theirs.append(server.started_in)
        print(f"  start {repeat}: ours {ours[-1]:.2f} s, the tutorial's {theirs[-1]:.2f} s", flush=True)
    conditions = (
        f"process spawned to the first 200 of /search, polled every 5 ms; median of {options.repeats} "
        "after one that warms the disk cache"
    )
    mine, its = ours[1:], theirs[1:]
    return [
        at_most(
            "start to first answered search",
            median(mine),
            LIMIT,
            shown=f"{median_and_range(mine, '.2f')} s",
            asked="<= 2.5 s",
            conditions=conditions,
        ),
        told(
            "start to first answered search, the tutorial's",
            median(its),
            shown=f"{median_and_range(its, '.2f')} s",
            conditions=conditions,
        ),
    ]
