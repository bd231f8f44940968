"""Start-up time: from the start of the process to the first answer to a search, with an existing index."""

from statistics import median

from benchmarks.built_indexes import built_index
from benchmarks.conditions import Options
from benchmarks.figures import Figure, at_most, median_and_range, without_target
from benchmarks.servers import our_api, tutorial_service

LIMIT = 2.5


def measure(options: Options) -> list[Figure]:
    index_dir = built_index("tutorial", everything=options.everything)
    # The first start of each service reads its libraries from disk, so it does not count.
    ours, theirs = [], []
    for repeat in range(options.repeats + 1):
        with our_api(index_dir) as server:
            ours.append(server.started_in)
        with tutorial_service() as server:
            theirs.append(server.started_in)
        print(f"  start {repeat}: ours {ours[-1]:.2f} s, the tutorial's {theirs[-1]:.2f} s", flush=True)
    conditions = (
        "from the start of the process to the first 200 of /search, polled every 5 ms; median of "
        f"{options.repeats} after one start that warms the disk cache"
    )
    mine, its = ours[1:], theirs[1:]
    return [
        at_most(
            "start-up time",
            median(mine),
            LIMIT,
            shown=f"{median_and_range(mine, '.2f')} s",
            asked="<= 2.5 s",
            conditions=conditions,
        ),
        without_target(
            "start-up time of the tutorial",
            median(its),
            shown=f"{median_and_range(its, '.2f')} s",
            conditions=conditions,
        ),
    ]
