"""An S3 that stumbles: busy, ill, cut off, slow, or with a token that has expired."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from ecom_platform_tests.torture.change import DAYS, disturbed
from ecom_platform_tests.torture.kills import files_in_s3
from ecom_platform_tests.torture.proxy import FAULTS, open_proxy
from ecom_platform_tests.torture.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform_tests.torture.buckets import Buckets

#: Of the requests that meet a fault, where S3 is ill but not gone.
SHARE = 0.2
#: What passes by itself.
PASSING = [fault for fault in FAULTS if fault != "expired"]


def stumbling_s3(folder: Path, seed: int, faults: int, buckets: Buckets) -> None:
    """Inject faults that pass, of which a run is to tell nobody; then tokens that expire."""
    random = Random(seed)  # noqa: S311  -- not for secrets
    with open_proxy(buckets.address) as (address, proxy):
        change = files_in_s3(folder, seed, buckets.through(address))
        tally = Tally("S3 stumbles: " + ", ".join(PASSING), "S3")
        runs = 0
        while tally.tried < faults:
            runs += 1
            with disturbed(change) as world, tally.attempt(f"run {runs}", times=0):
                proxy.injected.clear()
                proxy.decide = lambda _seen, _method, _path: (
                    random.choice(PASSING) if random.random() < SHARE else ""
                )
                ended = world.run(DAYS[0], DAYS[-1])
                tally.tried += sum(proxy.injected.values())
                proxy.heal()
                change.judge(world, ended, 0)
        tally.notes = f"{SHARE:.0%} of all requests, in {runs} runs, each of which ends with 0"

        expired = Tally("the token expires in a run", "S3")
        while expired.tried < max(1, faults // 100):
            first = random.randrange(1, 150)
            with disturbed(change) as world, expired.attempt(f"from request {first} on"):
                proxy.seen = 0
                proxy.decide = lambda seen, _method, _path, first=first: (
                    "expired" if seen >= first else ""
                )
                ended = world.run(DAYS[0], DAYS[-1])
                proxy.heal()
                # It may expire when all is done.
                change.judge(world, ended, 0, 1, 2)
                change.run_again(world)
        expired.notes = "the run ends with 1 or 2, the next one with 0"
