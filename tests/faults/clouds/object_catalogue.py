"""What a faulty object store, or volume service, must lead to: the tests that find it, and those that do not mind.

`python -m tests.faults.clouds.object_catalogue` prints the cases as the table of docs/faults.md.
"""

from __future__ import annotations

from tests.faults.clouds.cloud_catalogue import CloudCase, stopped

__all__ = ["OBJECT_CASES", "table"]

WHOLE, LISTED = "test_objects_come_back_as_they_were_stored", "test_a_listing_is_complete_and_in_order"
ISOLATED, IN_TIME = "test_projects_are_isolated", "test_objects_are_stored_and_read_in_time"
VOLUMES = "test_volumes_come_and_go_under_load"

OBJECT_CASES = (
    stopped("swift-object", "The object server has ended", WHOLE, VOLUMES),
    stopped("swift-container", "The container server has ended", LISTED),
    stopped("swift-proxy", "The API of the object store has ended", WHOLE),
    CloudCase("corrupt-objects", "All devices flip a bit of each object", "corrupt-objects", WHOLE),
    CloudCase(
        "corrupt-device",
        "One device of three flips a bit of each object",
        "corrupt-objects",
        WHOLE,
        (LISTED,),
        {"devices": 1},
        says="corrupt_reads",
    ),
    CloudCase(
        "slow-objects",
        "The object server stands still for most of the time",
        "slow-objects",
        IN_TIME,
        seeded={"still_s": 7.5},  # clearly longer than the bound, however fast the machine is between
    ),
    CloudCase(
        "unlisted", "Objects do not get into the listing of their container", "unlisted-objects", LISTED, (WHOLE,)
    ),
    CloudCase(
        "operators",
        "The access lists of containers do not hold for the operators of other projects",
        "operators-too-wide",
        ISOLATED,
        (WHOLE,),
        says="leaks",
    ),
    CloudCase(
        "wrong-object-endpoint",
        "The catalogue leads to a port of the object store where nobody listens",
        "wrong-endpoint",
        WHOLE,
        seeded={"api": "swift"},
    ),
    CloudCase("absent-endpoint", "The catalogue knows of no object store", "absent-endpoint", WHOLE),
    stopped("cinder-volume", "The volume service has ended", VOLUMES, WHOLE, says="failures"),
    CloudCase(
        "leaking-quota",
        "The quota of block storage still counts what was deleted",
        "leaking-quota",
        VOLUMES,
        (WHOLE,),
        says="quota_drift",
    ),
)


def table() -> str:
    """The cases as a Markdown table."""
    rows = ["| Fault of object storage or volumes | Found by | Decision |", "| --- | --- | --- |"]
    rows += [f"| {case.title} | `{case.fails}` | REJECTED |" for case in OBJECT_CASES]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201
